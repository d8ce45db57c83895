//! The operator at work.

use actix_web::{FromRequest, HttpRequest, dev};
use futures_util::future::LocalBoxFuture;
use satchel_shared::domain::RequestId;
use satchel_shared::store::actions::Operator;

use crate::auth::{Caller, permission};
use crate::problem::ApiError;
use crate::request_id::Tagged;

/// A caller who may manage the queue, and the request's id, for the record. A handler that takes it answers nobody
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
        Box::pin(async move {
            let caller = caller.await?;
            permission::may_operate(&caller)?;
            let Ok(Tagged(request_id)) = tagged.await;
            Ok(Self { actor: caller.to_string(), request_id })
        })
    }
}
