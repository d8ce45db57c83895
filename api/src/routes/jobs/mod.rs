//! Jobs.

pub(crate) mod show;
pub(crate) mod submit;
pub(crate) mod withdraw;
