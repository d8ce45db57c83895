//! Takes a query string apart, noting every parameter that is unknown, given twice or malformed.

use std::fmt::Display;

use actix_web::HttpRequest;
use actix_web::web::Query;
use chrono::{DateTime, Utc};
use satchel_forms::Pointer;
use validator::{Validate, ValidationError, ValidationErrors};

use crate::http::problem::{ApiError, ParameterFault};

/// How many entries a listing answers unless asked otherwise.
pub(crate) const DEFAULT_LIMIT: u16 = 50;

/// The most parameters of one request; no route knows more than ten.
const MAX_PARAMETERS: usize = 32;

/// What is wrong with a `cursor` that is none.
pub(crate) const NOT_A_CURSOR: &str = "must be the nextCursor of the page before";

/// Reads a `limit`; its bounds are the query's to check.
pub(crate) fn limit(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "must be from 1 to 500")
}

/// Reads `true` or `false`.
pub(crate) fn flag(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "must be true or false")
}

/// Reads a time.
pub(crate) fn time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| "must be a time as RFC 3339 writes it, e.g. 2026-01-31T12:00:00Z (a + must be written %2B)")
}

/// A rule for queries with `from` and `to`.
pub(crate) fn check_period(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Result<(), ValidationError> {
    match (from, to) {
        (Some(from), Some(to)) if from > to => {
            Err(ValidationError::new("from").with_message("must not be after to".into()))
        }
        _ => Ok(()),
    }
}

/// The query parameters of one request. Each [`Parameters::take`] takes one;
/// [`Parameters::finish`] refuses the ones nobody asked for.
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    faults: Vec<ParameterFault>,
}

impl Parameters {
    /// Opens the request's query string.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        if request.query_string().is_empty() {
            return Ok(Self { given: Vec::new(), faults: Vec::new() });
        }
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|error| ApiError::Malformed(format!("the query string cannot be read: {error}")))?;
        let pairs = pairs.into_inner();
        if pairs.len() > MAX_PARAMETERS {
            return Err(ApiError::Malformed(format!("the query string has more than {MAX_PARAMETERS} parameters")));
        }
        let mut parameters = Self { given: Vec::new(), faults: Vec::new() };
        for (name, value) in pairs {
            if parameters.given.iter().any(|(known, _)| *known == name) {
                parameters.fault(&name, "is given twice");
            } else {
                parameters.given.push((name, value));
            }
        }
        Ok(parameters)
    }

    /// Takes one parameter and reads it with `read`, whose error says what is wrong.
    pub(crate) fn take<T, E: Display>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let index = self.given.iter().position(|(given, _)| given == name)?;
        let (_, value) = self.given.swap_remove(index);
        read(&value).map_err(|error| self.fault(name, error.to_string())).ok()
    }

    /// Refuses the request if anything was wrong, parameters that were not taken included.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        for (name, _) in std::mem::take(&mut self.given) {
            self.fault(&name, "is not a known parameter");
        }
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::InvalidParameters(self.faults)) }
    }

    /// Like [`Parameters::finish`], and refuses what `query`'s own bounds refuse.
    pub(crate) fn finish_valid<Q: Validate>(mut self, query: Q) -> Result<Q, ApiError> {
        if let Err(errors) = query.validate() {
            self.note(&errors);
        }
        self.finish().map(|()| query)
    }

    fn note(&mut self, errors: &ValidationErrors) {
        for (name, errors) in errors.field_errors() {
            for error in errors {
                let detail = error.message.as_ref().map_or("is out of bounds", |message| message.as_ref());
                // A rule about several fields carries as its code the name of the one to blame.
                self.fault(if name == "__all__" { &error.code } else { &name }, detail);
            }
        }
    }

    fn fault(&mut self, parameter: &str, detail: impl Into<String>) {
        let pointer = Pointer::root().field(parameter);
        self.faults.push(ParameterFault { pointer, parameter: parameter.to_owned(), detail: detail.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[derive(Debug, Validate)]
    struct Page {
        #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
        limit: u16,
    }

    fn page(query: &str) -> Result<u16, Vec<(String, String)>> {
        let request = TestRequest::with_uri(&format!("/x?{query}")).to_http_request();
        let mut parameters = Parameters::of(&request).unwrap();
        let limit = parameters.take("limit", limit).unwrap_or(50);
        match parameters.finish_valid(Page { limit }) {
            Ok(page) => Ok(page.limit),
            Err(ApiError::InvalidParameters(faults)) => {
                assert!(faults.iter().all(|fault| fault.pointer.as_str() == format!("/{}", fault.parameter)));
                Err(faults.into_iter().map(|fault| (fault.parameter, fault.detail)).collect())
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_odd_parameter_is_named() {
        assert_eq!(page(""), Ok(50));
        assert_eq!(page("limit=7"), Ok(7));
        let fault = |name: &str, detail: &str| (name.to_owned(), detail.to_owned());
        assert_eq!(page("limit=0"), Err(vec![fault("limit", "must be from 1 to 500")]));
        assert_eq!(page("limit=501"), Err(vec![fault("limit", "must be from 1 to 500")]));
        assert_eq!(
            page("limit=x&asOf=now&limit=2"),
            Err(vec![
                fault("limit", "is given twice"),
                fault("limit", "must be from 1 to 500"),
                fault("asOf", "is not a known parameter"),
            ])
        );
    }
}
