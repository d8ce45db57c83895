//! What users have.

pub(super) mod history;
pub(super) mod inventory;
mod reader;

pub(crate) use reader::Reader;
