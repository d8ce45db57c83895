//! Why an operator does something, where a body says nothing else.

use satchel_forms::Node;
use satchel_model::ids::Reason;

use crate::http::document::{self, Stated};
use crate::http::extract::{FromDocument, Parts};
use crate::http::problem::ApiError;

/// `{"reason"}`, which may be left out.
pub(super) struct Because(pub(super) Option<Reason>);

impl FromDocument for Because {
    async fn read(document: Node, _: &Parts) -> Result<Self, ApiError> {
        document::read(document).map(|Stated { reason }| Self(reason))
    }
}
