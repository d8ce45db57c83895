//! Faults of a document and where they are.

use std::fmt;

use serde::Serialize;

use super::{At, Pointer};

/// One fault: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where in the document.
    pub pointer: Pointer,
    /// What is wrong, as a sentence for the document's author.
    pub detail: String,
}

impl Fault {
    fn bytes(&self) -> usize {
        const FRAME: &str = r#"{"pointer":"","detail":""},"#;
        FRAME.len() + as_json(self.pointer.as_str()) + as_json(&self.detail)
    }
}

/// How long a text is within a JSON string, in bytes.
fn as_json(text: &str) -> usize {
    let escaped = |byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => r"\u0000".len(),
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// The faults found in one document, at most [`Faults::MAX`] of at most [`Faults::MAX_BYTES`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// More faults than this in one document are counted as found but not listed.
    pub const MAX: usize = 100;
    /// Faults that would take more than this are not listed, in bytes as JSON: a long name that leads to each of many
    /// faults would otherwise make the answer a hundred times as long as what was sent.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// A longer detail is cut, in bytes: some quote what is wrong.
    const MAX_DETAIL_BYTES: usize = 1_000;

    /// Notes a fault, the first one in any case.
    pub fn add(&mut self, pointer: Pointer, detail: impl Into<String>) {
        if self.0.len() == Self::MAX {
            return;
        }
        let mut detail = detail.into();
        if detail.len() > Self::MAX_DETAIL_BYTES {
            detail.truncate(detail.floor_char_boundary(Self::MAX_DETAIL_BYTES));
            detail.push('…');
        }
        let fault = Fault { pointer, detail };
        if self.0.is_empty() || self.bytes() + fault.bytes() <= Self::MAX_BYTES {
            self.0.push(fault);
        }
    }

    /// As [`Faults::add`], at a place that is being read.
    pub fn note(&mut self, at: &At<'_>, detail: impl Into<String>) {
        if self.0.len() < Self::MAX {
            self.add(at.pointer(), detail);
        }
    }

    /// How long the list is as JSON, in bytes, or a little less.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Fault::bytes).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_faults_is_short_however_long_what_they_name() {
        for (name, detail) in [("n".repeat(500), "d".repeat(900)), ("\u{1}".repeat(500), "\"\\".repeat(500))] {
            let mut faults = Faults::default();
            for index in 0..1_000 {
                faults.add(Pointer::root().field(&name).index(index), detail.clone());
            }
            let written = serde_json::to_string(&faults).unwrap().len();
            assert!((Faults::MAX_BYTES / 2..=Faults::MAX_BYTES + 2).contains(&written), "{written}");
        }
        let long = Faults::one(Pointer::root().field(&"\u{1}".repeat(500)), "\u{1}".repeat(10_000));
        assert_eq!(long.as_slice().len(), 1);
    }
}
