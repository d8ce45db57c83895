//! An object that is taken apart.

use super::{At, Faults, Node};

/// The members of one object that nobody has taken yet.
#[derive(Debug)]
pub struct Members<'a> {
    left: Vec<(String, Node)>,
    at: &'a At<'a>,
    /// Whether what is left over is a fault.
    is_closed: bool,
}

impl<'a> Members<'a> {
    /// The most members of one object, far above what any form here has. Each is compared with those
    /// before it: without a bound, 1 MiB of members would keep a thread busy for many seconds.
    pub const MAX: usize = 64;

    /// Opens an object, noting duplicate members; `None` (with a fault) if `node` is none or has too
    /// many members.
    pub fn open(node: Node, at: &'a At<'a>, faults: &mut Faults) -> Option<Self> {
        let Node::Object(members) = node else {
            faults.note(at, format!("must be an object, not {}", node.kind()));
            return None;
        };
        if members.len() > Self::MAX {
            faults.note(at, format!("must have at most {} fields, not {}", Self::MAX, members.len()));
            return None;
        }
        let mut opened = Self { left: members, at, is_closed: true };
        opened.drop_duplicates(faults);
        Some(opened)
    }

    /// Keeps the first member of each name, in their order, and notes the others.
    fn drop_duplicates(&mut self, faults: &mut Faults) {
        let mut index = 1;
        while let Some((earlier, [(name, _), ..])) = self.left.split_at_checked(index) {
            if earlier.iter().any(|(seen, _)| seen == name) {
                faults.note(&self.at.field(name), "is given twice");
                self.left.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Where the object is.
    #[must_use]
    pub fn at(&self) -> &'a At<'a> {
        self.at
    }

    /// Takes a member out as it is, if it is there.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.left.iter().position(|(member, _)| member == name)?;
        Some(self.left.swap_remove(index).1)
    }

    /// Takes and reads a member; its absence is a fault.
    pub fn required<T>(
        &mut self,
        name: &str,
        faults: &mut Faults,
        read: impl FnOnce(Node, &At<'_>, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        let at = self.at.field(name);
        if let Some(node) = self.take(name) {
            return read(node, &at, faults);
        }
        faults.note(&at, "is required");
        None
    }

    /// Takes and reads a member if it is there.
    pub fn optional<T>(
        &mut self,
        name: &str,
        faults: &mut Faults,
        read: impl FnOnce(Node, &At<'_>, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        let node = self.take(name)?;
        read(node, &self.at.field(name), faults)
    }

    /// Takes members that a later version brings, and notes them; whether there are any. They are refused rather than ignored:
    /// an author who wrote one counts on it.
    pub fn refuse_later(&mut self, names: &[&str], faults: &mut Faults) -> bool {
        let mut is_any = false;
        for name in names {
            if self.take(name).is_some() {
                faults.note(&self.at.field(name), "is not supported by this version of Satchel yet");
                is_any = true;
            }
        }
        is_any
    }

    /// Says that of what is left over nobody can tell whom it belongs to: it is no fault.
    pub fn leave_rest(&mut self) {
        self.is_closed = false;
    }

    /// Notes every member that was not taken.
    pub fn finish(mut self, later: &[&str], faults: &mut Faults) {
        self.refuse_later(later, faults);
        for (name, _) in self.left.iter().filter(|_| self.is_closed) {
            faults.note(&self.at.field(name), "is not a known field");
        }
    }
}
