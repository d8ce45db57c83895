//! What users have.

pub(crate) mod history;
pub(crate) mod inventory;
mod reader;

pub(crate) use reader::Reader;
