//! Faults of a document and where they are.

use std::fmt;

use serde::Serialize;

/// A JSON Pointer (RFC 6901) to a place in the document; empty for the whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pointer(String);

impl Pointer {
    /// A longer one is cut to what it is in, in bytes: whoever writes long names could else have each fault, and the
    /// reading of each value, cost as much as all of them.
    const MAX_BYTES: usize = 512;

    /// The whole document.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The member `name` below this place, escaped as RFC 6901 section 3 says.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        if self.0.len() + 1 + name.len() > Self::MAX_BYTES {
            return self.clone();
        }
        // Every field of every document comes here, nearly always without a fault: one allocation.
        let mut text = String::with_capacity(self.0.len() + 1 + name.len());
        text.push_str(&self.0);
        text.push('/');
        for part in name.split_inclusive(['~', '/']) {
            match (part.strip_suffix('~'), part.strip_suffix('/')) {
                (Some(part), _) => text.extend([part, "~0"]),
                (_, Some(part)) => text.extend([part, "~1"]),
                (None, None) => text.push_str(part),
            }
        }
        Self(text)
    }

    /// The element `index` below this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// The place to which a pointer, which is one already, leads from this one.
    #[must_use]
    pub fn below(&self, pointer: &str) -> Self {
        if self.0.len() + pointer.len() > Self::MAX_BYTES { self.clone() } else { Self(format!("{}{pointer}", self.0)) }
    }

    /// The pointer as text, e.g. `/items/0/quantity`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One fault: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where in the document.
    pub pointer: Pointer,
    /// What is wrong, as a sentence for the document's author.
    pub detail: String,
}

/// Every fault found in one document, at most [`Faults::MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// More faults than this in one document are counted as found but not listed.
    pub const MAX: usize = 100;
    /// A longer detail is cut, in bytes: some quote what is wrong.
    const MAX_DETAIL_BYTES: usize = 1_000;

    /// Notes a fault.
    pub fn add(&mut self, pointer: Pointer, detail: impl Into<String>) {
        if self.0.len() < Self::MAX {
            let mut detail = detail.into();
            if detail.len() > Self::MAX_DETAIL_BYTES {
                detail.truncate(detail.floor_char_boundary(Self::MAX_DETAIL_BYTES));
                detail.push('…');
            }
            self.0.push(Fault { pointer, detail });
        }
    }

    /// One fault.
    #[must_use]
    pub fn one(pointer: Pointer, detail: impl Into<String>) -> Self {
        let mut faults = Self::default();
        faults.add(pointer, detail);
        faults
    }

    /// Whether none was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults in the order found.
    #[must_use]
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            if fault.pointer.as_str().is_empty() {
                f.write_str(&fault.detail)?;
            } else {
                write!(f, "{}: {}", fault.pointer, fault.detail)?;
            }
        }
        Ok(())
    }
}
