//! The operator at work.

use actix_web::{FromRequest, HttpRequest, dev};
use futures_util::future::LocalBoxFuture;
use satchel_model::domain::RequestId;
use satchel_store::actions::Operator;

use crate::auth::{Caller, permission};
use crate::http::problem::ApiError;
use crate::http::request_id::Tagged;

/// A caller who may do what operators do, and the request's id, for the record. A handler that takes it answers nobody
/// else: 401 without credential, 403 to other roles, before anything of the request is looked at.
pub(crate) struct Operating {
    /// `operator:subject`.
    actor: String,
    request_id: RequestId,
}

impl Operating {
    /// Who acts, in which request.
    pub(crate) fn by(&self) -> Operator<'_> {
        Operator { actor: &self.actor, request_id: self.request_id.as_str() }
    }
}

impl FromRequest for Operating {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let tagged = Tagged::from_request(request, payload);
        let what = asked_for(request.path());
        Box::pin(async move {
            let caller = caller.await?;
            permission::may_operate(&caller, what)?;
            let Ok(Tagged(request_id)) = tagged.await;
            Ok(Self { actor: caller.to_string(), request_id })
        })
    }
}

/// What a path asks for, in the words of a refusal: who was refused webhooks is not told of the queue.
fn asked_for(path: &str) -> &'static str {
    match path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next()) {
        Some("queues") => "see and manage the queue",
        Some("functions" | "runs") => "see and manage functions and their runs",
        Some("webhooks") => "see and manage webhooks",
        Some("events") => "read events",
        _ => "may do this",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_was_asked_for() {
        for (path, what) in [
            ("/api/v1/queues/failed/x/retry", "see and manage the queue"),
            ("/api/v1/functions", "see and manage functions and their runs"),
            ("/api/v1/runs/x", "see and manage functions and their runs"),
            ("/api/v1/webhooks/x/ping", "see and manage webhooks"),
            ("/api/v1/events", "read events"),
            ("/other", "may do this"),
        ] {
            assert_eq!(asked_for(path), what, "{path}");
        }
    }
}
