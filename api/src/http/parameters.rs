//! Takes a query string apart, noting every parameter that is unknown, given twice or malformed.

use std::fmt::Display;

use actix_web::web::Query;
use chrono::{DateTime, Utc};
use satchel_forms::Pointer;
use satchel_model::moment;

use crate::http::problem::{ApiError, ParameterFault};

/// The most parameters of one request; no route knows more than ten.
const MAX_PARAMETERS: usize = 32;

/// Reads `true` or `false`.
pub(crate) fn flag(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "must be true or false")
}

/// Reads a time.
pub(crate) fn time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    moment::parse(text)
        .map_err(|_| "must be a time as RFC 3339 writes it, e.g. 2026-01-31T12:00:00Z (a + must be written %2B)")
}

/// The query parameters of one request. Each [`Parameters::take`] takes one;
/// [`Parameters::finish`] refuses the ones nobody asked for.
#[derive(Default)]
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    faults: Vec<ParameterFault>,
    /// The names that were asked for, where that is noted.
    asked: Option<Vec<&'static str>>,
}

impl Parameters {
    /// Opens a query string.
    pub(crate) fn of(query: &str) -> Result<Self, ApiError> {
        if query.is_empty() {
            return Ok(Self::default());
        }
        let pairs = Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|error| ApiError::Malformed(format!("the query string cannot be read: {error}")))?;
        let pairs = pairs.into_inner();
        if pairs.len() > MAX_PARAMETERS {
            return Err(ApiError::Malformed(format!("the query string has more than {MAX_PARAMETERS} parameters")));
        }
        let mut parameters = Self::default();
        for (name, value) in pairs {
            if parameters.given.iter().any(|(known, _)| *known == name) {
                parameters.fault(&name, "is given twice");
            } else {
                parameters.given.push((name, value));
            }
        }
        Ok(parameters)
    }

    /// The names that a reader asks for.
    pub(crate) fn asked_by(read: impl FnOnce(&mut Self)) -> Vec<&'static str> {
        let mut parameters = Self { asked: Some(Vec::new()), ..Self::default() };
        read(&mut parameters);
        parameters.asked.unwrap_or_default()
    }

    /// Takes one parameter and reads it with `read`, whose error says what is wrong.
    pub(crate) fn take<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if let Some(asked) = &mut self.asked {
            asked.push(name);
        }
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

    /// Refuses a `from` after `to`.
    pub(crate) fn check_period(&mut self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) {
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            self.fault("from", "must not be after to");
        }
    }

    fn fault(&mut self, parameter: &str, detail: impl Into<String>) {
        let pointer = Pointer::root().field(parameter);
        self.faults.push(ParameterFault { pointer, parameter: parameter.to_owned(), detail: detail.into() });
    }
}
