//! Every error a client can see: one enum, one mapping to HTTP statuses, one body format (RFC 9457).

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use satchel_forms::{Fault, Faults, Pointer, SyntaxError};
use satchel_model::domain::{Denied, UserId};
use satchel_queue::QueueError;
use satchel_store::StoreError;
use serde::Serialize;

use crate::http::outage_log::Gate;

/// Media type of RFC 9457.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// How long a client shall wait before it tries again when a store is away, in seconds.
pub(crate) const RETRY_AFTER_SECONDS: &str = "1";

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
        allow: &'static str,
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

/// What may be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// Postgres.
    Database,
    /// Redis.
    Queue,
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::Queue => "queue",
        })
    }
}

/// One query parameter that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ParameterFault {
    /// Where it is if the query is taken for an object, so that a client finds it as it finds a document's faults.
    pub(crate) pointer: Pointer,
    /// Its name as given.
    pub(crate) parameter: String,
    /// What is wrong with it.
    pub(crate) detail: String,
}

/// The body of an error: what RFC 9457 section 3.1 names, and `errors` with every fault.
#[derive(Debug, Serialize)]
pub(crate) struct Problem<'e> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'static str>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Errors<'e>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Errors<'e> {
    Document(&'e Faults),
    One([Fault; 1]),
    Parameters(&'e [ParameterFault]),
}

impl ApiError {
    /// A document with one fault.
    pub(crate) fn invalid(at: Pointer, detail: impl Into<String>) -> Self {
        Self::Invalid(Faults::one(at, detail))
    }

    /// A failed call of the store, logged here, where it is handled.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        static GATE: Gate = Gate::new();
        match error {
            StoreError::Database(_)
            | StoreError::Deadline { .. }
            | StoreError::Lost
            | StoreError::NotMigrated
            | StoreError::OldSchema(_) => {
                if GATE.passes() {
                    tracing::warn!(%error, "the database did not answer");
                }
                Self::Unavailable(Store::Database)
            }
            StoreError::Unreadable(_) | StoreError::Changed | StoreError::Ahead | StoreError::Decided => {
                tracing::error!(%error, "the database answered what cannot be");
                Self::Internal
            }
        }
    }

    /// A failed call of the queue, logged here, where it is handled. Whatever the reason, nothing was accepted.
    pub(crate) fn of_queue(error: &QueueError) -> Self {
        static GATE: Gate = Gate::new();
        if GATE.passes() {
            tracing::warn!(%error, "the queue did not take or answer what it should");
        }
        Self::Unavailable(Store::Queue)
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

    /// The body, as answered alone or as one entry of an array's answer.
    pub(crate) fn problem(&self) -> Problem<'_> {
        let (status, kind, title) = self.class();
        let errors = match self {
            Self::Invalid(faults) | Self::Unreadable(faults) => Some(Errors::Document(faults)),
            Self::EntryTooLarge { at, .. } => {
                Some(Errors::One([Fault { pointer: at.clone(), detail: self.to_string() }]))
            }
            Self::InvalidParameters(faults) => Some(Errors::Parameters(faults)),
            _ => None,
        };
        Problem { kind, title: Some(title), status: status.as_u16(), detail: Some(self.to_string()), errors }
    }

    /// The body in an array's answer that says what is wrong with enough others.
    pub(crate) fn brief_problem(&self) -> Problem<'_> {
        Problem { title: None, detail: None, errors: None, ..self.problem() }
    }

    /// How many faults its body lists, itself if there is nothing to list.
    pub(crate) fn faults(&self) -> usize {
        match self {
            Self::Invalid(faults) | Self::Unreadable(faults) => faults.as_slice().len().max(1),
            _ => 1,
        }
    }

    /// How long these are, in bytes.
    pub(crate) fn fault_bytes(&self) -> usize {
        match self {
            Self::Invalid(faults) | Self::Unreadable(faults) => faults.bytes(),
            _ => 0,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.class().0
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Unauthenticated => response.insert_header((header::WWW_AUTHENTICATE, "Bearer")),
            Self::MethodNotAllowed { allow } => response.insert_header((header::ALLOW, *allow)),
            Self::UnsupportedMediaType(_) => response.insert_header((header::ACCEPT_ENCODING, "gzip, identity")),
            Self::Unavailable(_) | Self::WrongClock | Self::Busy => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS))
            }
            Self::TooManyRefused { seconds }
            | Self::TooManyJobs { seconds }
            | Self::TooManyUndecided { seconds, .. } => {
                response.insert_header((header::RETRY_AFTER, seconds.to_string()))
            }
            // What is left of the body is not worth reading.
            Self::RequestTimeout { .. } | Self::TooLarge { .. } => response.force_close(),
            _ => &mut response,
        };
        response.content_type(PROBLEM_JSON).json(self.problem())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        Self::of_queue(&error)
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
