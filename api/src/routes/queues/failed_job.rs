//! `POST /api/v1/queues/failed/{jobId}/retry`, `DELETE /api/v1/queues/failed/{jobId}`: one failed job tried again, or
//! given up, so that its player's later ones go on.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_model::domain::JobId;
use satchel_store::failed::{self, Filter};
use serde::Serialize;

use crate::auth::operating::Operating;
use crate::http::deadline;
use crate::http::document;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::routes::jobs::show;
use crate::server::state::State;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    job_id: JobId,
    status: &'static str,
}

/// Has the job tried again, with as many attempts as a new one.
pub(crate) async fn retry(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let job_id = read(&request, payload).await?;
    let retried = deadline::answer(failed::retry(&state.pool, &only(job_id), 1, &operating.by())).await?;
    if retried.is_empty() {
        return Err(not_parked(&state, job_id).await);
    }
    Ok(HttpResponse::Accepted().json(Changed { job_id, status: "retrying" }))
}

/// Gives the job up: it is archived, and its outcome is that it was removed.
pub(crate) async fn remove(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let job_id = read(&request, payload).await?;
    let removed = deadline::answer(failed::remove(&state.pool, &only(job_id), 1, &operating.by())).await?;
    if removed.is_empty() {
        return Err(not_parked(&state, job_id).await);
    }
    Ok(HttpResponse::Ok().json(Changed { job_id, status: "rejected" }))
}

async fn read(request: &HttpRequest, payload: web::Payload) -> Result<JobId, ApiError> {
    document::nothing(document::document(request, payload).await?)?;
    Parameters::of(request)?.finish()?;
    JobId::parse(request.match_info().query("jobId")).map_err(|_| ApiError::NotFound)
}

fn only(job_id: JobId) -> Filter {
    Filter { job_ids: Some(vec![job_id]), ..Filter::default() }
}

/// Why nothing was done about the job.
async fn not_parked(state: &State, job_id: JobId) -> ApiError {
    match show::find(state, job_id).await {
        Ok(Some(status)) => {
            let status = status.as_str();
            ApiError::Conflict(format!("only a parked job can be retried or removed; this one was {status}"))
        }
        Ok(None) => ApiError::NotFound,
        Err(error) => error,
    }
}
