//! What came before a draft.

/// What an earlier request has done for a draft that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing that is known of.
    Nothing,
    /// It has claimed its key.
    Claimed,
}
