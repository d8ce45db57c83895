//! Places in a document.

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

impl AsRef<Pointer> for Pointer {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
