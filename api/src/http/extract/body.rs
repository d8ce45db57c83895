//! Bodies. What of a body is wrong is told at the place of the argument: [`Received`] before a query puts what the document
//! says behind it.

use std::any::type_name;
use std::marker::PhantomData;

use actix_web::web::Bytes;
use satchel_forms::Node;
use satchel_model::access::Role;

use super::{Extract, Parts, Takes, TypeOf};
use crate::http::body::{self, Limits};
use crate::http::document;
use crate::http::problem::ApiError;

/// That the body is there and is JSON; 400, 408, 413, 415 or 503 if not. One that is left out is an empty object.
pub(crate) struct Received;

impl Extract for Received {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        let limits = Limits::operation(parts.caller()?.role);
        let body = body::read_optional_json(&parts.request, parts.payload.take(), limits).await?;
        parts.document = Some(match body {
            Some(body) => Node::parse(&body)?,
            None => Node::Object(Vec::new()),
        });
        Ok(Self)
    }

    fn describe(takes: &mut Takes) {
        takes.reads_body = true;
    }
}

/// What a document says.
pub(crate) trait FromDocument: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// 422 with every fault.
    fn read(document: Node, parts: &Parts) -> impl Future<Output = Result<Self, ApiError>>;
}

/// The body, read as `T`.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: FromDocument> Extract for Json<T> {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        if parts.document.is_none() {
            Received::extract(parts).await?;
        }
        let document = parts.document.take().ok_or(ApiError::Internal)?;
        T::read(document, parts).await.map(Self)
    }

    fn describe(takes: &mut Takes) {
        takes.reads_body = true;
        takes.body = Some(TypeOf { name: type_name::<T>, schema: None });
    }
}

/// Of a route that is told nothing by a body: it is left out, or an empty object.
pub(crate) struct NoBody;

impl FromDocument for NoBody {
    async fn read(document: Node, _: &Parts) -> Result<Self, ApiError> {
        document::nothing(document).map(|()| Self)
    }
}

impl Extract for NoBody {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        Json::extract(parts).await.map(|Json(none)| none)
    }

    fn describe(takes: &mut Takes) {
        takes.reads_body = true;
    }
}

/// What is read from a body of a size of its own.
pub(crate) trait Limited {
    /// How large it may be.
    fn limits(role: Role) -> Limits;
}

/// A body in JSON that is `T`, unread.
pub(crate) struct RawBody<T>(pub(crate) Bytes, pub(crate) PhantomData<T>);

impl<T: Limited> Extract for RawBody<T> {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        let limits = T::limits(parts.caller()?.role);
        let body = body::read_json(&parts.request, parts.payload.take(), limits).await?;
        Ok(Self(body, PhantomData))
    }

    fn describe(takes: &mut Takes) {
        takes.reads_body = true;
        takes.body = Some(TypeOf { name: type_name::<T>, schema: None });
    }
}
