//! Answers, with the type of what they say.

use std::borrow::Cow;
use std::marker::PhantomData;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::extract::TypeOf;
use super::problem::ApiError;

/// What a handler answers.
pub(crate) trait Reply {
    /// With which status and what, if it is as asked.
    const ANSWERS: Answers;

    /// The answer.
    ///
    /// # Errors
    /// 500 if it cannot be made.
    fn reply(self) -> Result<HttpResponse, ApiError>;
}

/// The answer to what was done as asked.
#[derive(Debug, Clone, Copy)]
pub struct Answers {
    /// Its status.
    pub status: u16,
    /// Its body; `None` if there is none.
    pub body: Option<TypeOf>,
}

impl Answers {
    const fn of<T: JsonSchema>(status: u16) -> Self {
        Self { status, body: Some(TypeOf { name: std::any::type_name::<T>, schema: Some(T::json_schema) }) }
    }
}

/// A document in JSON.
pub(crate) struct Answer<T, const STATUS: u16 = 200>(pub(crate) T);

impl<T: Serialize + JsonSchema, const STATUS: u16> Reply for Answer<T, STATUS> {
    const ANSWERS: Answers = Answers::of::<T>(STATUS);

    fn reply(self) -> Result<HttpResponse, ApiError> {
        let status = StatusCode::from_u16(STATUS).map_err(|_| ApiError::Internal)?;
        Ok(HttpResponse::build(status).json(self.0))
    }
}

/// What has no schema of its own yet.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Untyped<T>(pub(crate) T);

impl<T> JsonSchema for Untyped<T> {
    fn schema_name() -> Cow<'static, str> {
        std::any::type_name::<T>().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

/// That it is done, in no words.
pub(crate) struct Done;

impl Reply for Done {
    const ANSWERS: Answers = Answers { status: 204, body: None };

    fn reply(self) -> Result<HttpResponse, ApiError> {
        Ok(HttpResponse::NoContent().finish())
    }
}

/// A document in JSON, or a status instead, with headers of its own.
pub(crate) struct Custom<T, const STATUS: u16 = 200>(HttpResponse, PhantomData<T>);

impl<T, const STATUS: u16> From<HttpResponse> for Custom<T, STATUS> {
    fn from(answer: HttpResponse) -> Self {
        Self(answer, PhantomData)
    }
}

impl<T: JsonSchema, const STATUS: u16> Reply for Custom<T, STATUS> {
    const ANSWERS: Answers = Answers::of::<T>(STATUS);

    fn reply(self) -> Result<HttpResponse, ApiError> {
        Ok(self.0)
    }
}
