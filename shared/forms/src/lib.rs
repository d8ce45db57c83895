//! Reading JSON that strangers wrote: every fault listed, each with its JSON Pointer (RFC 6901).
//!
//! `serde`'s derived readers stop at the first fault, and `serde_json::Value` forgets duplicate
//! keys. A client developer wants all faults at once, so documents are read into a [`Node`], which
//! keeps duplicates, and types take themselves out of it ([`Form`]), collecting [`Faults`]. How they do that is
//! derived from them, and so is their JSON Schema: [`Form`](derive@Form).

// What is derived names this crate from outside.
extern crate self as satchel_forms;

mod at;
mod entries;
mod faults;
mod form;
mod huge;
mod members;
mod node;
mod pointer;
mod readers;
mod schema;
#[cfg(feature = "testing")]
pub mod testing;
mod unreadable;

#[cfg(test)]
mod tests;

pub use satchel_forms_derive::Form;
pub use schemars;

pub use at::At;
pub use entries::{Document, Entries, Entry};
pub use faults::{Fault, Faults};
pub use form::{Fields, Form, read, read_in};
pub use members::Members;
pub use node::{Node, SyntaxError};
pub use pointer::Pointer;
pub use readers::{read_array, read_integer, read_integer_within, read_members, read_name, read_text};
pub use schema::{
    Described, ObjectSchema, array_schema, either, integer_schema, map_schema, names_schema, one_of, or_null,
    pattern_schema, text_schema,
};
