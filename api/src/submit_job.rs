//! `POST /api/v1/jobs`: one job or an array, validated, signed and queued. No inventory is looked at here.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use satchel_shared::domain::{Actor, IdempotencyKey, JobId, MAX_DELAY_DAYS, RequestId};
use satchel_shared::envelope::Envelope;
use satchel_shared::jobs::{Job, Submission};
use satchel_shared::json::{Node, Pointer};
use serde::Serialize;

use crate::auth::{Caller, permission};
use crate::body::{self, Limits};
use crate::intake::{self, Accepted, Draft};
use crate::lookup::Known;
use crate::parameters::Parameters;
use crate::prefer::{PREFERENCE_APPLIED, Wait};
use crate::problem::{ApiError, Problem};
use crate::request_id::Tagged;
use crate::state::State;
use crate::waiting::Place;

/// The most jobs of one request.
const MAX_JOBS: usize = 1_000;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

/// The answer to one job, alone or as an entry of an array's answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    job_id: JobId,
    status: &'static str,
    /// In an array's answer only, where one job's header has no place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    idempotent_replayed: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'e> {
    Accepted(Receipt),
    Refused { problem: Problem<'e> },
}

#[derive(Serialize)]
struct Entries<'e> {
    jobs: Vec<Entry<'e>>,
}

/// What all jobs of one request have in common.
struct Submitter<'r> {
    state: &'r State,
    caller: &'r Caller,
    request_id: RequestId,
    submitted_at: DateTime<Utc>,
}

/// Takes one job or an array of them.
pub(crate) async fn submit(
    caller: Caller,
    Tagged(request_id): Tagged,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    permission::may_submit_jobs(&caller)?;
    let body = body::read_json(&request, payload, Limits::JOBS).await?;
    Parameters::of(&request)?.finish()?;
    let key = header_key(&request)?;
    let submitter = Submitter { state: &state, caller: &caller, request_id, submitted_at: Utc::now().trunc_subsecs(6) };
    let answer = match Node::parse(&body)? {
        Node::Array(_) if key.is_some() => {
            Err(ApiError::Malformed("the header Idempotency-Key goes with one job; use the field in an array".into()))
        }
        // Apart: what single jobs do without must not make their futures larger.
        Node::Array(nodes) => Box::pin(submitter.submit_many(nodes)).await,
        node => submitter.submit_one(node, key, Wait::of(&request)).await,
    };
    if let Err(ApiError::Invalid(_)) = &answer {
        state.meters.invalid.increment(1);
    }
    answer
}

impl Submitter<'_> {
    async fn submit_one(
        &self,
        node: Node,
        key: Option<IdempotencyKey>,
        wait: Option<Wait>,
    ) -> Result<HttpResponse, ApiError> {
        let mut draft = self.draft(node, Pointer::root(), key)?;
        // The place is taken before the job is queued, so that its outcome cannot be missed.
        let place = wait.map(|wait| (wait, self.state.waiting.enter(draft.envelope.job_id, self.request_id.clone())));
        draft.envelope.reply_to = wait.map(|_| self.state.replica);
        let mut accepted = intake::take(self.state, vec![draft]).await?.pop().unwrap_or(Err(ApiError::Internal))?;

        let (location, is_replay) = (format!("/api/v1/jobs/{}", accepted.job_id), accepted.is_replay);
        let with_headers = |mut answer: HttpResponseBuilder| {
            answer.insert_header((header::LOCATION, location.as_str()));
            if is_replay {
                answer.insert_header((IDEMPOTENT_REPLAYED, "true"));
            }
            answer
        };
        if let Some((wait, place)) = place
            && let Some(document) = Box::pin(self.outcome(&mut accepted, place, wait)).await
        {
            let mut answer = with_headers(HttpResponse::Ok());
            answer.insert_header((PREFERENCE_APPLIED.clone(), wait.applied()));
            return Ok(answer.content_type(header::ContentType::json()).body(document));
        }
        Ok(with_headers(HttpResponse::Accepted()).json(Receipt::of(&accepted, false)))
    }

    /// The status document of a job that is decided in time.
    async fn outcome(&self, accepted: &mut Accepted, place: Place<'_>, wait: Wait) -> Option<String> {
        let heard = if accepted.is_settled() { None } else { place.wait(wait.duration()).await };
        if heard.is_none() && !accepted.is_settled() {
            // Perhaps its outcome is there and the message was lost, or it was set aside meanwhile.
            accepted.look_again(&self.state.lookup).await;
        }
        heard.map(|document| document.get().to_owned()).or_else(|| accepted.outcome())
    }

    async fn submit_many(&self, nodes: Vec<Node>) -> Result<HttpResponse, ApiError> {
        if !(1..=MAX_JOBS).contains(&nodes.len()) {
            let detail = format!("must have 1 to {MAX_JOBS} entries, not {}", nodes.len());
            return Err(ApiError::invalid(Pointer::root(), detail));
        }
        let mut drafts = Vec::with_capacity(nodes.len());
        let mut refused = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.into_iter().enumerate() {
            match self.draft(node, Pointer::root().index(index), None) {
                Ok(draft) => {
                    drafts.push(draft);
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        self.state.meters.invalid.increment(refused.iter().flatten().count() as u64);
        let mut taken = intake::take(self.state, drafts).await?.into_iter();
        let answers: Vec<Result<Accepted, ApiError>> = refused
            .into_iter()
            .map(|refused| refused.map_or_else(|| taken.next().unwrap_or(Err(ApiError::Internal)), Err))
            .collect();
        let jobs = answers
            .iter()
            .map(|answer| match answer {
                Ok(accepted) => Entry::Accepted(Receipt::of(accepted, accepted.is_replay)),
                Err(error) => Entry::Refused { problem: error.problem() },
            })
            .collect();
        Ok(HttpResponse::Accepted().json(Entries { jobs }))
    }

    /// Reads one job and asks whether the caller may submit it.
    fn draft(&self, node: Node, at: Pointer, header_key: Option<IdempotencyKey>) -> Result<Draft, ApiError> {
        let Submission { job, idempotency_key } = Submission::parse(node, at.clone()).map_err(ApiError::Invalid)?;
        check_delay(&job, self.submitted_at, &at)?;
        let key = match (header_key, idempotency_key) {
            (Some(header), Some(field)) if header != field => {
                let detail = "differs from the header Idempotency-Key";
                return Err(ApiError::invalid(at.field("idempotencyKey"), detail));
            }
            (header, field) => header.or(field),
        };
        if key.is_none() && self.state.requires_idempotency_key {
            return Err(ApiError::Malformed("an idempotency key is required".to_owned()));
        }
        job.check_submitter(self.caller)?;
        let job_id = key.as_ref().map_or_else(JobId::random, |key| JobId::of_key(&self.caller.to_string(), key));
        let envelope = Envelope {
            job_id,
            job,
            actor: Actor::clone(self.caller),
            request_id: self.request_id.clone(),
            submitted_at: self.submitted_at,
            reply_to: None,
            journaled: false,
        };
        Ok(Draft { envelope, is_keyed: key.is_some(), at })
    }
}

impl Receipt {
    fn of(accepted: &Accepted, idempotent_replayed: bool) -> Self {
        let status = accepted.known.as_ref().map_or("queued", Known::status);
        Self { job_id: accepted.job_id, status, idempotent_replayed }
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
