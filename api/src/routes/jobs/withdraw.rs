//! `DELETE /api/v1/jobs/{jobId}`: a job that waits is withdrawn.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_model::domain::{Actor, JobId};
use satchel_store::actions::Operator;
use satchel_store::withdrawals::{self, WaitingElsewhere};

use crate::auth::{Caller, permission};
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::http::request_id::Tagged;
use crate::http::{deadline, document};
use crate::routes::jobs::show::{self, JobStatus};
use crate::server::state::State;

/// Rejects the job as `withdrawn`, and answers its status document.
pub(crate) async fn withdraw(
    caller: Caller,
    Tagged(request_id): Tagged,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    permission::may_read_jobs(&caller)?;
    document::nothing(document::document_of(caller.role, &request, payload).await?)?;
    Parameters::of(&request)?.finish()?;
    let job_id = JobId::parse(request.match_info().query("jobId")).map_err(|_| ApiError::NotFound)?;
    let status = show::find(&state, job_id).await?.ok_or(ApiError::NotFound)?;
    permission::may_read_job(&caller, status.owner(), status.submitter())?;
    let JobStatus::Undecided(job) = status else { return Err(too_late(&status)) };
    permission::may_withdraw(&caller, &job.actor)?;
    let waiting = WaitingElsewhere {
        job_id,
        job_type: &job.job_type,
        user_id: &job.user_id,
        shard: state.queue.shards().of_user(&job.user_id),
        submitted_at: job.submitted_at,
        not_before: job.not_before,
        is_quiet: job.is_quiet,
        submitter: &job.actor,
        payload_hash: job.payload_hash,
    };
    let caller: &Actor = &caller;
    let actor = caller.to_string();
    let by = Operator { actor: &actor, request_id: request_id.as_str() };
    let is_withdrawn = deadline::answer(withdrawals::withdraw(&state.pool, &waiting, &by, caller.role)).await?;
    if is_withdrawn && let Err(error) = state.queue.withdraw(&job.user_id, job_id).await {
        // A copy that stays in the queue meets the job's row, and goes.
        ApiError::of_queue(&error);
    }
    let status = show::find(&state, job_id).await?.ok_or(ApiError::NotFound)?;
    if is_withdrawn { Ok(HttpResponse::Ok().json(status)) } else { Err(too_late(&status)) }
}

fn too_late(status: &JobStatus) -> ApiError {
    ApiError::Conflict(format!("only a job that waits can be withdrawn; this one was {}", status.as_str()))
}
