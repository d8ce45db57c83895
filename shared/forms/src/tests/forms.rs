use std::convert::Infallible;

use super::*;
use crate::{At, Faults};

#[derive(Debug, PartialEq, Form)]
#[form(context = ())]
struct Numbers {
    #[form(range = i64::MIN..=i64::MAX)]
    a: i64,
    #[form(range = 0..=9)]
    b: i64,
    #[form(range = 0..=9)]
    c: i64,
    #[form(range = 0..=9)]
    e: i64,
}

#[test]
fn every_fault_is_listed_with_its_pointer() {
    assert_eq!(
        faults_of::<Numbers>(r#"{"a":1.5,"b":"x","c":1,"c":2,"d/~":0}"#),
        [
            "/c is given twice",
            "/a must be an integer, not 1.5",
            "/b must be an integer, not a string",
            "/e is required",
            "/d~1~0 is not a known field",
        ]
    );
    let all = read::<Numbers>(node(r#"{"e":4,"a":-1,"c":3,"b":2}"#), &Pointer::root()).unwrap();
    assert_eq!(all, Numbers { a: -1, b: 2, c: 3, e: 4 });
}

#[derive(Form)]
struct Bounded {
    #[form(range = 1..=9)]
    a: Option<i64>,
}

#[test]
fn an_integer_beyond_all_bounds_is_told_the_bounds() {
    let faults = |number: &str| faults_of::<Bounded>(&format!(r#"{{"a":{number}}}"#));
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
        assert_eq!(faults(beyond), ["/a must be an integer from 1 to 9"], "{beyond}");
    }
    assert_eq!(faults("1e2"), ["/a must be an integer, not 100.0"]);
    assert_eq!(faults("null"), ["/a must be an integer, not null"]);
    assert!(faults("9").is_empty());
    assert_eq!(read::<Bounded>(node("{}"), &Pointer::root()).unwrap().a, None);
}

#[derive(Debug, Form)]
struct Nothing {}

#[test]
fn a_document_that_is_no_object_is_one_fault() {
    assert_eq!(faults_of::<Nothing>("[]"), [" must be an object, not an array"]);
}

#[test]
fn an_object_with_too_many_members_is_one_fault() {
    let object = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(faults_of::<Nothing>(&object(64)).len(), 64);
    assert_eq!(faults_of::<Nothing>(&object(65)), [" must have at most 64 fields, not 65"]);
}

#[derive(Debug, PartialEq, Form)]
#[serde(rename_all = "camelCase")]
struct Defaults {
    #[form(default)]
    is_quiet: bool,
    #[form(default = 7, range = 1..=9)]
    how_many: i64,
    #[form(null = true)]
    patched: Option<bool>,
    #[serde(rename = "use")]
    #[form(text = upper)]
    use_: Option<String>,
}

fn upper(text: &str) -> Result<String, &'static str> {
    if text.contains('x') { Err("must have no x") } else { Ok(text.to_uppercase()) }
}

#[test]
fn what_is_not_given_has_its_default_and_null_is_given() {
    let read = |text: &str| read::<Defaults>(node(text), &Pointer::root()).unwrap();
    assert_eq!(read("{}"), Defaults { is_quiet: false, how_many: 7, patched: None, use_: None });
    let given = read(r#"{"isQuiet":true,"howMany":2,"patched":null,"use":"y"}"#);
    assert_eq!(given, Defaults { is_quiet: true, how_many: 2, patched: Some(true), use_: Some("Y".into()) });
    assert_eq!(
        faults_of::<Defaults>(r#"{"isQuiet":null,"howMany":10,"patched":1,"use":"x"}"#),
        [
            "/isQuiet must be true or false, not null",
            "/howMany must be an integer from 1 to 9",
            "/patched must be true or false, not a number",
            "/use must have no x",
        ]
    );
}

/// What is shared while [`List`] is read: how many entries there were.
type Count = usize;

#[derive(Form)]
#[form(context = Count, later("old"), ignored("told"))]
struct List {
    #[form(entries = 1..=3, each = read_entry)]
    entries: Vec<i64>,
}

fn read_entry(node: Node, at: &At<'_>, earlier: &[i64], count: &mut Count, faults: &mut Faults) -> Option<i64> {
    *count += 1;
    let entry = crate::read_integer(node, at, faults, Ok::<_, Infallible>)?;
    if earlier.contains(&entry) {
        faults.note(at, "comes again");
    }
    Some(entry)
}

#[test]
fn entries_know_those_before_them_and_the_context() {
    let read = |text: &str| {
        let mut count = 0;
        let read = crate::read_in::<List, Count>(node(text), &Pointer::root().index(5), &mut count);
        (count, read.map(|list| list.entries).map_err(|faults| told(&faults)))
    };
    assert_eq!(read(r#"{"entries":[1,2],"told":7}"#), (2, Ok(vec![1, 2])));
    let again = ["/5/entries/1 must be an integer, not a boolean", "/5/entries/2 comes again"];
    assert_eq!(read(r#"{"entries":[1,true,1]}"#), (3, Err(again.map(str::to_owned).to_vec())));
    let none = ["/5/entries must have 1 to 3 entries, not 0", "/5/old is not supported by this version of Satchel yet"];
    assert_eq!(read(r#"{"entries":[],"old":{}}"#), (0, Err(none.map(str::to_owned).to_vec())));
}

#[derive(Debug, PartialEq, Form)]
#[serde(rename_all = "lowercase")]
#[form(beside = "each does one thing", later("roll"))]
pub(super) enum Deed {
    /// Waits so many minutes.
    #[form(range = 1..=9)]
    Wait(i64),
    /// Says something.
    #[form(entries = 1..=2)]
    Say(Vec<bool>),
}

#[test]
fn a_choice_has_one_member() {
    assert_eq!(read::<Deed>(node(r#"{"wait":3}"#), &Pointer::root()).unwrap(), Deed::Wait(3));
    assert_eq!(read::<Deed>(node(r#"{"say":[true]}"#), &Pointer::root()).unwrap(), Deed::Say(vec![true]));
    assert_eq!(faults_of::<Deed>("{}"), ["/wait is required"]);
    assert_eq!(faults_of::<Deed>(r#"{"say":[true],"wait":1}"#), ["/say stands beside `wait`: each does one thing"]);
    assert_eq!(faults_of::<Deed>(r#"{"say":[1],"wait":0}"#).len(), 2);
    assert_eq!(
        faults_of::<Deed>(r#"{"roll":1,"x":1}"#),
        ["/roll is not supported by this version of Satchel yet", "/x is not a known field"]
    );
}

#[derive(Debug, PartialEq, Form)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
#[form(tag = "kind", expects = "must be round or cornered", foreign = "goes only with corners")]
pub(super) enum Shape {
    /// Has none.
    Round,
    /// Has some.
    Cornered {
        /// How many.
        #[form(default = 4, range = 3..=9)]
        corner_count: i64,
    },
}

#[derive(Debug, PartialEq, Form)]
pub(super) struct Thing {
    #[serde(flatten)]
    pub(super) shape: Shape,
    #[form(default)]
    pub(super) big: bool,
}

#[test]
fn a_tag_says_which_members_there_are() {
    let thing = |text: &str| read::<Thing>(node(text), &Pointer::root()).unwrap();
    assert_eq!(thing(r#"{"big":true,"kind":"round"}"#), Thing { shape: Shape::Round, big: true });
    assert_eq!(thing(r#"{"kind":"cornered"}"#).shape, Shape::Cornered { corner_count: 4 });
    assert_eq!(thing(r#"{"kind":"cornered","cornerCount":3}"#).shape, Shape::Cornered { corner_count: 3 });
    assert_eq!(faults_of::<Thing>(r#"{"kind":"round","cornerCount":"x"}"#), ["/cornerCount goes only with corners"]);
    assert_eq!(
        faults_of::<Thing>(r#"{"kind":"flat","cornerCount":"x","y":1}"#),
        ["/kind must be round or cornered", "/cornerCount must be an integer, not a string", "/y is not a known field",]
    );
    assert_eq!(faults_of::<Thing>("{}"), ["/kind is required"]);
}

#[derive(Debug, PartialEq, Form)]
#[form(or = bool, expects = "true, false, or an object")]
struct Flag {
    on: bool,
}

impl From<bool> for Flag {
    fn from(on: bool) -> Self {
        Self { on }
    }
}

#[test]
fn a_text_may_stand_for_an_object() {
    assert_eq!(read::<Flag>(node(r#"{"on":true}"#), &Pointer::root()).unwrap(), Flag { on: true });
    assert_eq!(faults_of::<Flag>(r#""x""#), [" must be true or false, not a string"], "read as what it stands for");
    assert_eq!(faults_of::<Flag>("1"), [" must be true, false, or an object, not a number"]);
}
