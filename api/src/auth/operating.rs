//! The operator at work.

use satchel_model::access::Role;
use satchel_model::ids::RequestId;
use satchel_store::actions::Operator;

use crate::http::extract::{Extract, Parts};
use crate::http::problem::ApiError;

/// Who does what operators do, and the request's id, for the record.
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

impl Extract for Operating {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        // Whose route lets in anyone else has no operator to record.
        let operator = parts.caller.as_ref().filter(|caller| caller.role == Role::Operator);
        let actor = operator.ok_or(ApiError::Internal)?.to_string();
        Ok(Self { actor, request_id: RequestId::extract(parts).await? })
    }
}
