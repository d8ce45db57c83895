//! Takes an object apart field by field, noting every fault on the way.

use std::fmt::Display;

use serde_json::Number;

use super::{Faults, Node, Pointer};

/// The members of one object. Each `required` or `optional` call takes one; [`Fields::finish`] then
/// notes the ones nobody asked for.
pub struct Fields<'f> {
    members: Vec<(String, Node)>,
    at: Pointer,
    faults: &'f mut Faults,
}

impl<'f> Fields<'f> {
    /// The most members of one object, far above what any form here has. Each is compared with those
    /// before it: without a bound, 1 MiB of members would keep a thread busy for many seconds.
    pub const MAX_MEMBERS: usize = 64;

    /// Opens an object, noting duplicate members; `None` (with a fault) if `node` is none or has too
    /// many members.
    pub fn open(node: Node, at: Pointer, faults: &'f mut Faults) -> Option<Self> {
        let Node::Object(members) = node else {
            faults.add(at, format!("must be an object, not {}", node.kind()));
            return None;
        };
        if members.len() > Self::MAX_MEMBERS {
            faults.add(at, format!("must have at most {} fields, not {}", Self::MAX_MEMBERS, members.len()));
            return None;
        }
        let mut fields = Self { members, at, faults };
        fields.drop_duplicates();
        Some(fields)
    }

    /// Keeps the first member of each name, in their order, and notes the others.
    fn drop_duplicates(&mut self) {
        let mut index = 1;
        while let Some((earlier, [(name, _), ..])) = self.members.split_at_checked(index) {
            if earlier.iter().any(|(seen, _)| seen == name) {
                self.faults.add(self.at.field(name), "is given twice");
                self.members.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Where this object is.
    #[must_use]
    pub fn at(&self) -> &Pointer {
        &self.at
    }

    /// Where the faults go.
    pub fn faults(&mut self) -> &mut Faults {
        self.faults
    }

    /// Takes a member out as it is, if it is there.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.swap_remove(index).1)
    }

    /// Takes and reads a member; its absence is a fault.
    pub fn required<T>(&mut self, name: &str, read: impl FnOnce(Node, Pointer, &mut Faults) -> Option<T>) -> Option<T> {
        let at = self.at.field(name);
        if let Some(node) = self.take(name) {
            read(node, at, self.faults)
        } else {
            self.faults.add(at, "is required");
            None
        }
    }

    /// Takes and reads a member if it is there.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(Node, Pointer, &mut Faults) -> Option<T>) -> Option<T> {
        let at = self.at.field(name);
        self.take(name).and_then(|node| read(node, at, self.faults))
    }

    /// Notes every member that was not taken.
    pub fn finish(self) {
        for (name, _) in self.members {
            self.faults.add(self.at.field(&name), "is not a known field");
        }
    }

    /// Notes every member that was not taken, saying why instead of "not a known field".
    pub fn finish_with(self, why: impl Fn(&str) -> String) {
        for (name, _) in self.members {
            self.faults.add(self.at.field(&name), why(&name));
        }
    }
}

/// Readers for [`Fields::required`] and [`Fields::optional`].
impl Node {
    /// A string that `parse` accepts.
    pub fn read_string<T, E: Display>(
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> impl FnOnce(Node, Pointer, &mut Faults) -> Option<T> {
        move |node, at, faults| {
            let Node::String(text) = node else {
                faults.add(at, format!("must be a string, not {}", node.kind()));
                return None;
            };
            parse(&text).map_err(|error| faults.add(at, error.to_string())).ok()
        }
    }

    /// An integer that `parse` accepts. Fractions, `1.0`, `1e3` and strings are faults.
    pub fn read_integer<T, E: Display>(
        parse: impl FnOnce(i64) -> Result<T, E>,
    ) -> impl FnOnce(Node, Pointer, &mut Faults) -> Option<T> {
        move |node, at, faults| {
            let value = match node {
                Node::Number(number) => {
                    let Some(value) = within_bounds(&number) else {
                        faults.add(at, format!("must be an integer, not {number}"));
                        return None;
                    };
                    value
                }
                Node::HugeNumber => i64::MAX,
                node => {
                    faults.add(at, format!("must be an integer, not {}", node.kind()));
                    return None;
                }
            };
            parse(value).map_err(|error| faults.add(at, error.to_string())).ok()
        }
    }

    /// A boolean.
    #[expect(clippy::needless_pass_by_value, reason = "all readers take the node")]
    pub fn read_bool(node: Node, at: Pointer, faults: &mut Faults) -> Option<bool> {
        if let Node::Bool(value) = node {
            return Some(value);
        }
        faults.add(at, format!("must be true or false, not {}", node.kind()));
        None
    }

    /// An array of `bounds` elements, each read by `read`.
    pub fn read_array<T>(
        bounds: std::ops::RangeInclusive<usize>,
        mut read: impl FnMut(Node, Pointer, &mut Faults) -> Option<T>,
    ) -> impl FnOnce(Node, Pointer, &mut Faults) -> Option<Vec<T>> {
        move |node, at, faults| {
            let Node::Array(nodes) = node else {
                faults.add(at, format!("must be an array, not {}", node.kind()));
                return None;
            };
            if !bounds.contains(&nodes.len()) {
                let (least, most) = (bounds.start(), bounds.end());
                faults.add(at, format!("must have {least} to {most} entries, not {}", nodes.len()));
                return None;
            }
            let wanted = nodes.len();
            let read: Vec<T> =
                nodes.into_iter().enumerate().filter_map(|(i, node)| read(node, at.index(i), faults)).collect();
            (read.len() == wanted).then_some(read)
        }
    }
}

/// The integer that a number is; `None` if it is none. Integers beyond `i64` are beyond every bound too: they become the
/// nearest one, so that a parser says which bound that is.
fn within_bounds(number: &Number) -> Option<i64> {
    /// 2^63: from here on every double is an integer.
    const FIRST_BEYOND: f64 = 9_223_372_036_854_775_808.0;
    match (number.as_i64(), number.as_f64()) {
        (Some(value), _) => Some(value),
        (None, Some(value)) if value >= FIRST_BEYOND => Some(i64::MAX),
        (None, Some(value)) if value < -FIRST_BEYOND => Some(i64::MIN),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(text: &str, read: impl FnOnce(&mut Fields<'_>)) -> Vec<String> {
        let mut faults = Faults::default();
        let node = Node::parse(text.as_bytes()).unwrap();
        if let Some(mut fields) = Fields::open(node, Pointer::root(), &mut faults) {
            read(&mut fields);
            fields.finish();
        }
        faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands for a parser")]
    fn any(value: i64) -> Result<i64, String> {
        Ok(value)
    }

    #[test]
    fn every_fault_is_listed_with_its_pointer() {
        let faults = faults_of(r#"{"a":1.5,"b":"x","c":1,"c":2,"d/~":0}"#, |fields| {
            fields.required("a", Node::read_integer(any));
            fields.required("b", Node::read_integer(any));
            fields.required("c", Node::read_integer(any));
            fields.required("e", Node::read_integer(any));
        });
        assert_eq!(
            faults,
            [
                "/c is given twice",
                "/a must be an integer, not 1.5",
                "/b must be an integer, not a string",
                "/e is required",
                "/d~1~0 is not a known field",
            ]
        );
    }

    #[test]
    fn an_integer_beyond_all_bounds_is_told_the_bounds() {
        let parse = |value: i64| if (1..=9).contains(&value) { Ok(value) } else { Err("must be from 1 to 9") };
        let faults = |number: &str| {
            faults_of(&format!(r#"{{"a":{number}}}"#), |fields| {
                fields.optional("a", Node::read_integer(parse));
            })
        };
        let nines = "9".repeat(400);
        for beyond in [
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "99999999999999999999999999",
            "-99999999999999999999999999",
            "1e300",
            "1e400",
            &nines,
        ] {
            assert_eq!(faults(beyond), ["/a must be from 1 to 9"], "{beyond}");
        }
        assert_eq!(faults("1e2"), ["/a must be an integer, not 100.0"]);
        assert!(faults("9").is_empty());
    }

    #[test]
    fn a_document_that_is_no_object_is_one_fault() {
        assert_eq!(faults_of("[]", |_| ()), [" must be an object, not an array"]);
    }

    #[test]
    fn an_object_with_too_many_members_is_one_fault() {
        let object = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(faults_of(&object(64), |_| ()).len(), 64);
        assert_eq!(faults_of(&object(65), |_| ()), [" must have at most 64 fields, not 65"]);
    }

    #[test]
    fn an_array_out_of_bounds_is_one_fault() {
        let faults = faults_of(r#"{"a":[]}"#, |fields| {
            fields.required("a", Node::read_array(1..=2, Node::read_bool));
        });
        assert_eq!(faults, ["/a must have 1 to 2 entries, not 0"]);
    }
}
