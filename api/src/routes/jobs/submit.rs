//! `POST /api/v1/jobs`: one job or an array, validated, signed and queued.

use actix_web::HttpRequest;
use actix_web::web::Data;
use chrono::{DateTime, TimeDelta, Utc};
use satchel_forms::Pointer;
use satchel_model::access::Role;
use satchel_model::ids::{IdempotencyKey, JobId, RequestId};
use satchel_model::operations::MAX_DELAY_DAYS;
use satchel_model::operations::{Entrance, Job, Submission};
use satchel_wire::FreshJob;

use crate::auth::{Access, Caller};
use crate::http::answer::Custom;
use crate::http::body::Limits;
use crate::http::extract::{Limited, NoQuery, RawBody};
use crate::http::prefer::Wait;
use crate::http::problem::ApiError;
use crate::intake::read::{self, Submitted};
use crate::intake::submitter::{Receipt, Submitter, admission, most_entries};
use crate::intake::{Draft, Intake};
use crate::routes::route::{Method, Route, handle};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(crate) static SUBMIT: Route = Route {
    method: Method::Post,
    path: "/api/v1/jobs",
    operation: "submitJobs",
    access: Access::JobSubmitters,
    errors: &[403, 429, 503],
    handler: || handle(submit),
};

impl Limited for Submission {
    fn limits(role: Role) -> Limits {
        Limits::jobs(role)
    }
}

/// Takes one job or an array of them.
async fn submit(
    Caller(caller): Caller,
    RawBody(body, _): RawBody<Submission>,
    _: NoQuery,
    (request, request_id): (HttpRequest, RequestId),
    intake: Data<Intake>,
) -> Result<Custom<Receipt, 202>, ApiError> {
    let key = header_key(&request)?;
    let submitter = Submitter::new(&intake, &caller, request_id);
    let answer =
        match read::submitted(body, most_entries(caller.role), admission(&intake, &caller), Submission::parse).await? {
            Submitted::Many(_) if key.is_some() => Err(ApiError::Malformed(
                "the header Idempotency-Key goes with one job; use the field in an array".into(),
            )),
            Submitted::Many(jobs) => {
                let jobs = jobs.into_iter().enumerate();
                let drafts = jobs.map(|(index, job)| submitter.draft_job(job?, Pointer::root().index(index), None));
                // Apart: what single jobs do without must not make their futures larger.
                Box::pin(submitter.submit_many("jobs", drafts.collect())).await
            }
            Submitted::One(job) => match job.and_then(|job| submitter.draft_job(job, Pointer::root(), key)) {
                Ok(draft) => submitter.submit_one(draft, Wait::of(&request)).await,
                Err(error) => Err(error),
            },
        };
    submitter.count(answer).map(Custom::from)
}

impl Submitter<'_> {
    /// Asks whether the caller may submit a job, and whether today's rules have something against it.
    fn draft_job(
        &self,
        submission: Submission,
        at: Pointer,
        header_key: Option<IdempotencyKey>,
    ) -> Result<Draft, ApiError> {
        let Submission { job, idempotency_key } = submission;
        if job.work.entrance() == Entrance::Events {
            return Err(ApiError::invalid(at.field("type"), "events are sent to /api/v1/events"));
        }
        let delay = check_delay(&job, self.submitted_at, &at);
        let key = match (header_key, idempotency_key) {
            (Some(header), Some(field)) if header != field => {
                let detail = "differs from the header Idempotency-Key";
                return Err(ApiError::invalid(at.field("idempotencyKey"), detail));
            }
            (header, field) => header.or(field),
        };
        if key.is_none() && self.intake.requires_idempotency_key {
            return Err(ApiError::Malformed("an idempotency key is required".to_owned()));
        }
        let job_id = match &key {
            Some(key) => JobId::of_key(&self.caller.to_string(), &job.user_id, key),
            None => JobId::fresh(&job.user_id),
        };
        self.draft(job, job_id, key.is_some(), at)?.judged(delay)
    }
}

/// Refuses a job that is to wait longer than jobs may: the parser, which has no clock, cannot.
fn check_delay(job: &Job, submitted_at: DateTime<Utc>, at: &Pointer) -> Result<(), ApiError> {
    let latest = submitted_at + TimeDelta::days(MAX_DELAY_DAYS.into());
    if job.not_before.is_none_or(|not_before| not_before <= latest) {
        return Ok(());
    }
    Err(ApiError::invalid(at.field("notBefore"), format!("must be at most {MAX_DELAY_DAYS} days ahead")))
}

/// The header `Idempotency-Key`, which goes with one job.
fn header_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut lines = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(ApiError::Malformed("the header Idempotency-Key is given twice".to_owned()));
    }
    let at = || Pointer::root().field("idempotencyKey");
    let text = line.to_str().map_err(|_| ApiError::invalid(at(), "must be of printable ASCII characters only"))?;
    IdempotencyKey::parse(text).map(Some).map_err(|error| ApiError::invalid(at(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use satchel_forms::Node;

    use super::*;

    #[test]
    fn a_job_may_be_delayed_so_far_and_no_further() {
        let now = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        let job = |not_before: DateTime<Utc>| {
            let text = format!(
                r#"{{"type":"use_item","userId":"u1","itemId":"key","notBefore":"{}"}}"#,
                not_before.to_rfc3339()
            );
            Submission::parse(Node::parse(text.as_bytes()).unwrap(), Pointer::root()).unwrap().job
        };
        let latest = now + TimeDelta::days(90);
        for fine in [now - TimeDelta::days(10_000), now, latest] {
            assert!(check_delay(&job(fine), now, &Pointer::root()).is_ok(), "{fine}");
        }
        let late = job(latest + TimeDelta::microseconds(1));
        let Err(ApiError::Invalid(faults)) = check_delay(&late, now, &Pointer::root().index(3)) else { panic!() };
        let told: Vec<_> = faults.as_slice().iter().map(|fault| (fault.pointer.as_str(), &*fault.detail)).collect();
        assert_eq!(told, [("/3/notBefore", "must be at most 90 days ahead")]);
    }
}
