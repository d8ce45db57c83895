//! `GET /api/v1/jobs/{jobId}`: what became of a job.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use satchel_shared::domain::{JobId, UserId};
use satchel_shared::queue::Pending;
use satchel_shared::store::jobs;
use serde::Serialize;

use crate::auth::{Caller, permission};
use crate::deadline;
use crate::parameters::Parameters;
use crate::problem::ApiError;
use crate::state::State;

/// The status document of a job that is not decided yet.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Queued<'p> {
    job_id: JobId,
    #[serde(rename = "type")]
    job_type: &'p str,
    user_id: &'p UserId,
    status: &'static str,
    submitted_at: DateTime<Utc>,
    applied_at: Option<DateTime<Utc>>,
    attempts: u32,
    result: Option<()>,
}

/// Answers the job's status document.
pub(crate) async fn show(
    caller: Caller,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    permission::may_read_jobs(&caller)?;
    Parameters::of(&request)?.finish()?;
    let job_id = JobId::parse(request.match_info().query("jobId")).map_err(|_| ApiError::NotFound)?;

    if let Some(answer) = decided(&caller, job_id, &state).await? {
        return Ok(answer);
    }
    if let Some(pending) = state.queue.pending(job_id).await? {
        permission::may_read_job(&caller, &pending.user_id, &pending.actor)?;
        return Ok(HttpResponse::Ok().json(Queued::of(&pending)));
    }
    // Decided between the two looks?
    decided(&caller, job_id, &state).await?.ok_or(ApiError::NotFound)
}

async fn decided(caller: &Caller, job_id: JobId, state: &State) -> Result<Option<HttpResponse>, ApiError> {
    let Some(record) = deadline::answer(jobs::find(&state.pool, job_id)).await? else { return Ok(None) };
    permission::may_read_job(caller, &record.user_id, &record.actor)?;
    Ok(Some(HttpResponse::Ok().json(record)))
}

impl<'p> Queued<'p> {
    fn of(pending: &'p Pending) -> Self {
        Self {
            job_id: pending.job_id,
            job_type: &pending.job_type,
            user_id: &pending.user_id,
            status: "queued",
            submitted_at: pending.submitted_at,
            applied_at: None,
            attempts: 0,
            result: None,
        }
    }
}
