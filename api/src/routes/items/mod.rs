//! Items, as the catalogue defines them.

pub(super) mod show;
