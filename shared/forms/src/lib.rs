//! Reading JSON that strangers wrote: every fault listed, each with its JSON Pointer (RFC 6901).
//!
//! `serde`'s derived readers stop at the first fault, and `serde_json::Value` forgets duplicate
//! keys. A client developer wants all faults at once, so documents are read into a [`Node`], which
//! keeps duplicates, and taken apart with [`Fields`], which collects [`Faults`].

mod entries;
mod faults;
mod fields;
mod huge;
mod node;
mod unreadable;

pub use entries::{Document, Entries, Entry};
pub use faults::{Fault, Faults, Pointer};
pub use fields::Fields;
pub use node::{Node, SyntaxError};
