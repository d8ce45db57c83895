//! Every error a client can see: one enum, one mapping to HTTP statuses, one body format (RFC 9457).

mod document;
mod stores;

use std::sync::Arc;

use actix_web::http::StatusCode;
use satchel_forms::{Faults, Pointer, SyntaxError};
use satchel_model::access::Denied;
use satchel_model::ids::UserId;

pub(crate) use self::document::{ParameterFault, Problem, RETRY_AFTER_SECONDS};
pub(crate) use self::stores::Store;

/// Why a request was not answered as asked. `Display` is the problem's `detail`.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ApiError {
    /// 400: the request cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// 400: query parameters are unknown or out of bounds.
    #[error("one or more query parameters are not valid")]
    InvalidParameters(Vec<ParameterFault>),
    /// 401: one body for every reason, so that nobody learns which part of a credential was right.
    #[error("valid credentials are required: Authorization: Bearer <token or API key>")]
    Unauthenticated,
    /// 403: the caller is known and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// 404: there is no such thing, or it is somebody else's.
    #[error("there is nothing here, or it is not yours to see")]
    NotFound,
    /// 405: the route has other methods.
    #[error("this resource supports {allow} only")]
    MethodNotAllowed {
        /// The methods that it has, as the `Allow` header lists them.
        allow: Arc<str>,
    },
    /// 408: the body did not come in time.
    #[error("the request's body did not arrive within {seconds} seconds")]
    RequestTimeout {
        /// How long the server waited.
        seconds: u64,
    },
    /// 409: what it is about is not in the state for it.
    #[error("{0}")]
    Conflict(String),
    /// 412: `If-Match` names another version than the current one.
    #[error("{0}")]
    PreconditionFailed(String),
    /// 413: the body, after decompression, is over its limit.
    #[error("the request's body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was exceeded.
        limit_bytes: usize,
    },
    /// 415: not JSON, or a content coding that is not understood.
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// 400: an entry of an array, which is JSON as a whole, cannot be read.
    #[error("the entry cannot be read: {0}")]
    Unreadable(Faults),
    /// 413: an entry of an array is larger than it may be alone.
    #[error("the entry is larger than {limit_bytes} bytes")]
    EntryTooLarge {
        /// Which.
        at: Pointer,
        /// The limit that was exceeded.
        limit_bytes: usize,
    },
    /// 422: well-formed JSON that does not say what it must.
    #[error("the document has {} that must be corrected", count(.0))]
    Invalid(Faults),
    /// 429: too many bad credentials from there; they are not looked at for a while.
    #[error("too many requests with bad credentials came from your address; try again in {seconds} s")]
    TooManyRefused {
        /// Until when.
        seconds: u64,
    },
    /// 429: the caller brings more jobs than it may; none of these was looked at.
    #[error("more jobs come from you than are taken at a time; send these again in {seconds} s")]
    TooManyJobs {
        /// Until when.
        seconds: u64,
    },
    /// 429: so many jobs of a user wait already that no more are taken.
    #[error("too many jobs of user `{user_id}` wait to be decided; send this again in {seconds} s")]
    TooManyUndecided {
        /// Whose.
        user_id: UserId,
        /// Until when.
        seconds: u64,
    },
    /// 500: a fault of Satchel's own. The cause is in the log, not in the answer.
    #[error("an unexpected error happened; it was logged under this request's id")]
    Internal,
    /// 503: a store is away.
    #[error("the {0} is not available at the moment; try again")]
    Unavailable(Store),
    /// 503: this machine's clock is wrong. How far is for operators.
    #[error("the service's clock is wrong: nothing is taken until it is right; try again")]
    WrongClock,
    /// 503: there is more to do than can be done at a time.
    #[error("too much is asked for at the moment; try again, with less at a time")]
    Busy,
}

impl ApiError {
    /// A document with one fault.
    pub(crate) fn invalid(at: Pointer, detail: impl Into<String>) -> Self {
        Self::Invalid(Faults::one(at, detail))
    }

    /// The one place where errors become statuses, problem types and titles.
    fn class(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed(_) | Self::Unreadable(_) => {
                (StatusCode::BAD_REQUEST, "/problems/malformed", "Malformed request")
            }
            Self::InvalidParameters(_) => {
                (StatusCode::BAD_REQUEST, "/problems/invalid-parameters", "Invalid query parameters")
            }
            Self::Unauthenticated => {
                (StatusCode::UNAUTHORIZED, "/problems/unauthenticated", "Missing or invalid credentials")
            }
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "/problems/forbidden", "Not allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "/problems/not-found", "Not found"),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "/problems/method-not-allowed", "Method not allowed")
            }
            Self::RequestTimeout { .. } => {
                (StatusCode::REQUEST_TIMEOUT, "/problems/request-timeout", "Request timed out")
            }
            Self::Conflict(_) => (StatusCode::CONFLICT, "/problems/conflict", "State conflict"),
            Self::PreconditionFailed(_) => {
                (StatusCode::PRECONDITION_FAILED, "/problems/precondition-failed", "Precondition failed")
            }
            Self::TooLarge { .. } | Self::EntryTooLarge { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "/problems/too-large", "Body too large")
            }
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "/problems/unsupported-media-type", "Unsupported media type")
            }
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "/problems/invalid", "Invalid document"),
            Self::TooManyRefused { .. } | Self::TooManyJobs { .. } | Self::TooManyUndecided { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "/problems/too-many-requests", "Too many requests")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "/problems/internal", "Internal error"),
            Self::Unavailable(_) | Self::WrongClock | Self::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "/problems/unavailable", "Temporarily unavailable")
            }
        }
    }
}

impl From<SyntaxError> for ApiError {
    fn from(error: SyntaxError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::Forbidden(denied.to_string())
    }
}

fn count(faults: &Faults) -> String {
    match faults.as_slice().len() {
        1 => "1 fault".to_owned(),
        many => format!("{many} faults"),
    }
}

#[cfg(test)]
mod tests;
