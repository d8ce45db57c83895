//! The parts of a request that handlers ask for. They are taken in the order of a handler's arguments, one after the other,
//! and the first that cannot be had is the answer. (actix's own extractors run at once: a bad body could be told before
//! a bad credential.)

mod body;
mod path;
mod query;

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{HttpMessage as _, HttpRequest, web};
use satchel_model::access::Actor;
use satchel_model::ids::RequestId;
use satchel_wire::Fresh;
use schemars::{Schema, SchemaGenerator};

pub(crate) use self::body::{FromDocument, Json, Limited, NoBody, RawBody, Received};
pub(crate) use self::path::{InPath, PathId};
#[cfg(test)]
pub(crate) use self::query::read as read_query;
pub(crate) use self::query::{DryRun, FromQuery, NoQuery, Page, Query};
use super::component::component;
use super::problem::ApiError;

/// A request whose route has let it in.
pub(crate) struct Parts {
    pub(crate) request: HttpRequest,
    payload: Payload,
    /// Who sent it; `None` where anyone may.
    pub(crate) caller: Option<Arc<Actor>>,
    /// The body, once it was received.
    document: Option<satchel_forms::Node>,
}

impl Parts {
    pub(crate) fn new(request: HttpRequest, payload: Payload, caller: Option<Arc<Actor>>) -> Self {
        Self { request, payload, caller, document: None }
    }

    /// A part of the service.
    ///
    /// # Errors
    /// 500 if this address has none.
    pub(crate) fn component<T: ?Sized + 'static>(&self) -> Result<&web::Data<T>, ApiError> {
        component(&self.request)
    }

    /// Who sent it.
    ///
    /// # Errors
    /// 500 where the route asks nobody who they are.
    pub(crate) fn caller(&self) -> Result<&Arc<Actor>, ApiError> {
        self.caller.as_ref().ok_or(ApiError::Internal)
    }
}

/// A part of a request.
pub(crate) trait Extract: Sized {
    /// Takes it.
    ///
    /// # Errors
    /// What its sender is answered instead.
    fn extract(parts: &mut Parts) -> impl Future<Output = Result<Self, ApiError>>;

    /// Notes what it takes, for the route table.
    fn describe(_: &mut Takes) {}
}

/// What a handler takes, by its arguments.
#[derive(Debug, Clone, Default)]
pub struct Takes {
    /// The names in the path, in the order in which they are read.
    pub path: Vec<&'static str>,
    /// The query's parameters; `None` if the query is not looked at.
    pub query: Option<Vec<&'static str>>,
    /// The body; `None` if there is none.
    pub body: Option<TypeOf>,
    /// Whether a body is read, if only to find nothing in it.
    pub reads_body: bool,
}

/// A type that crosses the wire.
#[derive(Debug, Clone, Copy)]
pub struct TypeOf {
    /// Its name in Rust.
    pub name: fn() -> &'static str,
    /// Its JSON Schema, where it has one.
    pub schema: Option<fn(&mut SchemaGenerator) -> Schema>,
}

impl<T: ?Sized + 'static> Extract for web::Data<T> {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        parts.component().cloned()
    }
}

/// Two parts, in their order.
impl<A: Extract, B: Extract> Extract for (A, B) {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        Ok((A::extract(parts).await?, B::extract(parts).await?))
    }

    fn describe(takes: &mut Takes) {
        A::describe(takes);
        B::describe(takes);
    }
}

impl Extract for HttpRequest {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        Ok(parts.request.clone())
    }
}

impl Extract for RequestId {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        Ok(parts.request.extensions().get::<Self>().cloned().unwrap_or_else(Self::random))
    }
}
