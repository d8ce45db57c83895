//! The ledger: one record per decided job and party, tied into a chain per user.
//!
//! A record's hash covers the hash before it and all that the record says, so that none can be changed, dropped or put in between
//! without every later hash of its user changing. The head, where the chain ends, carries a MAC by a key that the database does not
//! have. Byte by byte: docs/design/ledger.md, with vectors beside it.

mod body;
mod chain;
mod change;
mod entry;
mod hash;
mod head;
mod json_text;
mod key;
mod record;
mod root;

#[cfg(test)]
mod tests;

pub use body::{Body, BodyError, NewBody, RecordedActor};
pub use chain::{ChainFault, ChainVerifier};
pub use change::{RecordedChange, StackChange, UsedChange};
pub use entry::{LedgerEntry, Recorded};
pub use hash::ChainHash;
pub use head::Head;
pub use key::{LedgerKey, LedgerKeys, Mac, MacFault, WeakKey};
pub use record::{Record, Seal};
