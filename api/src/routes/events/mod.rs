//! What happened: sent by game servers, read by operators.

pub(crate) mod catalogue;
pub(crate) mod list;
pub(crate) mod send;
