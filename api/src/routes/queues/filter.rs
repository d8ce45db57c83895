//! Which failed jobs an operator means.

use satchel_forms::{Faults, Node, Pointer};
use satchel_model::ids::{JobId, UserId};
use satchel_model::operations::Work;
use satchel_store::failed::Filter;

use crate::http::document::{fields, read_time};
use crate::http::extract::{FromDocument, Parts};
use crate::http::problem::ApiError;

/// The most jobs that one request may name, retry or remove.
pub(super) const MAX_JOBS: u16 = 1_000;

impl FromDocument for Filter {
    async fn read(document: Node, _: &Parts) -> Result<Self, ApiError> {
        filter(document)
    }
}

/// Takes which failed jobs are meant; `{}` means all.
///
/// # Errors
/// 422 with every fault.
fn filter(document: Node) -> Result<Filter, ApiError> {
    fields(document, |fields| Filter {
        user_id: fields.optional("userId", Node::read_string(UserId::parse)),
        job_type: fields.optional("type", Node::read_string(read_type)),
        job_ids: fields.optional("jobIds", Node::read_array(1..=MAX_JOBS.into(), read_job_id)),
        parked_before: fields.optional("parkedBefore", Node::read_string(read_time)),
    })
}

fn read_type(text: &str) -> Result<String, String> {
    if Work::NAMES.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be one of {}", Work::NAMES.join(", ")))
    }
}

fn read_job_id(node: Node, at: Pointer, faults: &mut Faults) -> Option<JobId> {
    Node::read_string(|text| JobId::parse(text).map_err(|_| "must be a job's id"))(node, at, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults<T>(result: Result<T, ApiError>) -> Vec<String> {
        match result {
            Err(ApiError::Invalid(faults)) => {
                faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
            }
            Err(other) => panic!("{other:?}"),
            Ok(_) => Vec::new(),
        }
    }

    fn node(text: &str) -> Node {
        Node::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_filter_takes_all_that_it_knows() {
        let id = JobId::random();
        let text = format!(
            r#"{{"userId":"u1","type":"use_item","jobIds":["{id}"],"parkedBefore":"2026-01-31T12:00:00+01:00"}}"#
        );
        let read = filter(node(&text)).unwrap();
        assert_eq!(read.user_id.unwrap().as_str(), "u1");
        assert_eq!(read.job_type.unwrap(), "use_item");
        assert_eq!(read.job_ids.unwrap(), [id]);
        assert_eq!(read.parked_before.unwrap().to_rfc3339(), "2026-01-31T11:00:00+00:00");
        let all = filter(node("{}")).unwrap();
        assert!(
            all.user_id.is_none() && all.job_type.is_none() && all.job_ids.is_none() && all.parked_before.is_none()
        );
    }

    #[test]
    fn every_odd_field_of_a_filter_is_named() {
        let odd = r#"{"userId":"u 1","type":"fly","jobIds":["x",1],"parkedBefore":"soon","colour":"red"}"#;
        assert_eq!(
            faults(filter(node(odd))),
            [
                "/userId must be of A-Z a-z 0-9 _ . : - only",
                "/type must be one of reward_inventory_item, send_event, use_item",
                "/jobIds/0 must be a job's id",
                "/jobIds/1 must be a string, not a number",
                "/parkedBefore must be a time as in RFC 3339, e.g. 2026-01-31T12:00:00Z",
                "/colour is not a known field",
            ]
        );
        assert_eq!(faults(filter(node(r#"{"jobIds":[]}"#))), ["/jobIds must have 1 to 1000 entries, not 0"]);
    }
}
