//! Types that know how they are read. Most are derived: [`Form`](derive@super::Form).

use super::{At, Faults, Members, Node, Pointer};

/// A type that is read from a JSON value. What its readers share with those of the rest of the document, if anything, is the
/// context `C`.
pub trait Form<C: ?Sized = ()>: Sized {
    /// Reads it, noting every fault. A part with a fault may stand in as its default: whoever asked for the document looks at
    /// the faults first.
    fn read(node: Node, at: &At<'_>, context: &mut C, faults: &mut Faults) -> Option<Self>;
}

/// A type whose fields are members of an object: of its own, or of one that it shares with others.
pub trait Fields<C: ?Sized = ()>: Sized {
    /// Takes its members, noting every fault.
    fn take(members: &mut Members<'_>, context: &mut C, faults: &mut Faults) -> Option<Self>;
}

/// Reads a document that stands `at` some place.
///
/// # Errors
/// Every fault with its pointer.
pub fn read<T: Form>(node: Node, at: impl AsRef<Pointer>) -> Result<T, Faults> {
    read_in(node, at, &mut ())
}

/// As [`read`], in a context.
///
/// # Errors
/// Every fault with its pointer.
pub fn read_in<T: Form<C>, C: ?Sized>(node: Node, at: impl AsRef<Pointer>, context: &mut C) -> Result<T, Faults> {
    let mut faults = Faults::default();
    match T::read(node, &At::new(at.as_ref()), context, &mut faults) {
        Some(read) if faults.is_empty() => Ok(read),
        _ => Err(faults),
    }
}
