//! Events: what happened in the game and to what users have.

pub(super) mod catalogue;
pub(super) mod list;
pub(super) mod send;
