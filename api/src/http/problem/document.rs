//! Errors as they are answered: the document of RFC 9457, and the headers that go with a status.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use satchel_forms::{Fault, Faults, Pointer};
use serde::Serialize;

use super::ApiError;

/// Media type of RFC 9457.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// How long a client shall wait before it tries again when a store is away, in seconds.
pub(crate) const RETRY_AFTER_SECONDS: &str = "1";

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
            Self::MethodNotAllowed { allow } => response.insert_header((header::ALLOW, &**allow)),
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
