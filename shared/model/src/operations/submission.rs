//! A job as a client writes it.

use satchel_forms::{Faults, Form, Node, Pointer};

use super::Job;
use crate::ids::IdempotencyKey;

/// A job and the submitter's name for this submission.
#[derive(Debug, Clone, PartialEq, Eq, Form)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// The submitter's name for this submission: the same one twice is one job.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Submission {
    /// Reads one job object.
    ///
    /// # Errors
    /// Every fault with its pointer.
    pub fn parse(node: Node, at: Pointer) -> Result<Self, Faults> {
        satchel_forms::read(node, at)
    }

    /// The text of the field `type`, if there is one.
    #[must_use]
    pub fn type_name(node: &Node) -> Option<&str> {
        let Node::Object(members) = node else { return None };
        members.iter().find_map(|(name, value)| match value {
            Node::String(text) if name == "type" => Some(text.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Submission, Vec<String>> {
        Submission::parse(Node::parse(text.as_bytes()).unwrap(), Pointer::root()).map_err(|faults| {
            faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
        })
    }

    #[test]
    fn the_payloads_of_the_contract_are_accepted() {
        for text in [
            r#"{"type":"reward_inventory_item","userId":"u1","items":["welcome_chest","key"]}"#,
            r#"{"type":"reward_inventory_item","userId":"u1","items":[{"itemId":"gold","quantity":500}],"reason":"quest:42"}"#,
            r#"{"type":"use_item","userId":"u1","itemId":"welcome_chest","quantity":1,"idempotencyKey":"k"}"#,
        ] {
            parse(text).unwrap();
        }
    }

    #[test]
    fn every_fault_is_listed_at_once() {
        let text = r#"{"type":"reward_inventory_item","userId":"u 1","colour":"red","reason":"a\u0000b",
            "items":[{"itemId":"GOLD","quantity":0},"key","key",{"itemId":"gold","quantity":"5","x":1}]}"#;
        assert_eq!(
            parse(text).unwrap_err(),
            [
                "/userId must be of A-Z a-z 0-9 _ . : - only",
                "/reason must be of characters that are no control characters only",
                "/items/0/itemId must be of a-z 0-9 _ . - only",
                "/items/0/quantity must be an integer from 1 to 1000000000",
                "/items/2 names key a second time",
                "/items/3/quantity must be an integer, not a string",
                "/items/3/x is not a known field",
                "/colour is not a known field",
            ]
        );
    }

    #[test]
    fn an_unknown_type_is_told_which_there_are() {
        assert_eq!(
            parse(r#"{"type":"fly","userId":"u1"}"#).unwrap_err(),
            [format!("/type must be one of {}", crate::operations::Work::NAMES.join(", "))]
        );
    }

    #[test]
    fn the_hash_is_of_the_job_and_not_of_its_spelling() {
        let short = parse(r#"{"type":"use_item","userId":"u1","itemId":"key"}"#).unwrap();
        let long =
            parse(r#"{"quantity":1,"itemId":"key","idempotencyKey":"k","userId":"u1","type":"use_item"}"#).unwrap();
        let other = parse(r#"{"type":"use_item","userId":"u1","itemId":"key","quantity":2}"#).unwrap();
        assert_eq!(short.job.payload_hash(), long.job.payload_hash());
        assert_ne!(short.job.payload_hash(), other.job.payload_hash());
    }

    #[test]
    fn priority_and_delay_are_part_of_the_job_and_their_defaults_are_not_written() {
        let plain = parse(r#"{"type":"use_item","userId":"u1","itemId":"key"}"#).unwrap().job;
        let normal = parse(r#"{"type":"use_item","userId":"u1","itemId":"key","priority":"normal"}"#).unwrap().job;
        let high = parse(r#"{"type":"use_item","userId":"u1","itemId":"key","priority":"high"}"#).unwrap().job;
        let delayed = |time: &str| {
            let text = format!(r#"{{"type":"use_item","userId":"u1","itemId":"key","notBefore":"{time}"}}"#);
            parse(&text).map(|submission| submission.job)
        };
        let later = delayed("2030-01-01T12:00:00+02:00").unwrap();
        assert_eq!(plain.payload_hash(), normal.payload_hash());
        assert_ne!(plain.payload_hash(), high.payload_hash());
        assert_ne!(plain.payload_hash(), later.payload_hash());
        assert_eq!(later, delayed("2030-01-01T10:00:00.000000000Z").unwrap());
        assert_eq!(parse(&serde_json::to_string(&later).unwrap()).unwrap().job, later);
        assert_eq!(
            delayed("tomorrow").unwrap_err(),
            ["/notBefore must be a time as in RFC 3339, e.g. 2026-01-31T12:00:00Z"]
        );
        assert!(delayed("0000-01-01T00:00:00+23:59").is_err());
        assert!(delayed("9999-12-31T23:59:59-00:01").is_err());
        assert_eq!(
            parse(r#"{"type":"use_item","userId":"u1","itemId":"key","priority":"top"}"#).unwrap_err(),
            ["/priority must be high or normal"]
        );
    }

    #[test]
    fn whether_a_job_is_quiet_is_part_of_it_and_loud_is_not_written() {
        let job = |quiet: &str| parse(&format!(r#"{{"type":"use_item","userId":"u1","itemId":"key"{quiet}}}"#));
        let (plain, quiet) = (job("").unwrap().job, job(r#","quiet":true"#).unwrap().job);
        assert_eq!(plain, job(r#","quiet":false"#).unwrap().job);
        assert!(quiet.quiet && !serde_json::to_string(&plain).unwrap().contains("quiet"));
        assert_ne!(plain.payload_hash(), quiet.payload_hash());
        assert_eq!(parse(&serde_json::to_string(&quiet).unwrap()).unwrap().job, quiet);
        assert_eq!(job(r#","quiet":1"#).unwrap_err(), ["/quiet must be true or false, not a number"]);
    }

    #[test]
    fn the_canonical_form_parses_to_the_same_job() {
        let job = parse(
            r#"{"type":"reward_inventory_item","userId":"u1","items":["key",{"itemId":"gold","quantity":5}],"reason":"r"}"#,
        )
        .unwrap()
        .job;
        assert_eq!(parse(&serde_json::to_string(&job).unwrap()).unwrap().job, job);
    }
}
