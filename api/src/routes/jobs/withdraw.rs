//! `DELETE /api/v1/jobs/{jobId}`: a job that waits is withdrawn.

use actix_web::web::Data;
use satchel_model::access::Actor;
use satchel_model::ids::{JobId, RequestId};
use satchel_queue::Queue;
use satchel_store::Pool;
use satchel_store::actions::Operator;
use satchel_store::withdrawals::{self, WaitingElsewhere};

use super::{JobStatus, Jobs};
use crate::auth::Caller;
use crate::auth::access::{self, Access};
use crate::http::answer::{Answer, Untyped};
use crate::http::deadline;
use crate::http::extract::{NoBody, NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static WITHDRAW: Route = Route {
    method: Method::Delete,
    path: "/api/v1/jobs/{jobId}",
    operation: "withdrawJob",
    access: Access::JobReaders,
    errors: &[403, 409, 503],
    handler: || handle(withdraw),
};

/// Rejects the job as `withdrawn`, and answers its status document.
async fn withdraw(
    caller: Caller,
    _: (NoBody, NoQuery),
    PathId(job_id): PathId<JobId>,
    request_id: RequestId,
    jobs: Data<Jobs>,
    (pool, queue): (Data<Pool>, Data<dyn Queue>),
) -> Result<Answer<Untyped<JobStatus>>, ApiError> {
    let status = jobs.find(job_id).await?.ok_or(ApiError::NotFound)?;
    access::may_read_job(&caller, status.owner(), status.submitter())?;
    let JobStatus::Undecided(job) = status else { return Err(too_late(&status)) };
    access::may_withdraw(&caller, &job.actor)?;
    let waiting = WaitingElsewhere {
        job_id,
        job_type: &job.job_type,
        user_id: &job.user_id,
        shard: queue.shards().of_user(&job.user_id),
        submitted_at: job.submitted_at,
        not_before: job.not_before,
        is_quiet: job.is_quiet,
        submitter: &job.actor,
        payload_hash: job.payload_hash,
    };
    let caller: &Actor = &caller;
    let actor = caller.to_string();
    let by = Operator { actor: &actor, request_id: request_id.as_str() };
    let is_withdrawn = deadline::answer(withdrawals::withdraw(&pool, &waiting, &by, caller.role)).await?;
    if is_withdrawn && let Err(error) = queue.withdraw(&job.user_id, job_id).await {
        // A copy that stays in the queue meets the job's row, and goes.
        ApiError::of_queue(&error);
    }
    let status = jobs.find(job_id).await?.ok_or(ApiError::NotFound)?;
    if is_withdrawn { Ok(Answer(Untyped(status))) } else { Err(too_late(&status)) }
}

fn too_late(status: &JobStatus) -> ApiError {
    ApiError::Conflict(format!("only a job that waits can be withdrawn; this one was {}", status.as_str()))
}
