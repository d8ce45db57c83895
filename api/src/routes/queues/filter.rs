//! Which failed jobs an operator means.

use chrono::{DateTime, Utc};
use satchel_forms::{Form, Node, names_schema};
use satchel_model::ids::{JobId, UserId};
use satchel_model::moment;
use satchel_model::operations::Work;
use satchel_store::failed::Filter;

use crate::http::document;
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
    let FailedJobs { user_id, job_type, job_ids, parked_before } = document::read(document)?;
    Ok(Filter { user_id, job_type: job_type.map(str::to_owned), job_ids, parked_before })
}

/// Which failed jobs are meant: all that fit everything that is given.
#[derive(Form)]
#[serde(rename_all = "camelCase")]
struct FailedJobs {
    /// Of this user.
    user_id: Option<UserId>,
    /// Of this type.
    #[serde(rename = "type")]
    #[form(text = Work::find_name, schema = names_schema(Work::NAMES))]
    job_type: Option<&'static str>,
    /// These.
    #[form(entries = 1..=usize::from(MAX_JOBS))]
    job_ids: Option<Vec<JobId>>,
    /// Parked before this moment.
    #[form(text = moment::parse)]
    parked_before: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use satchel_forms::Pointer;
    use satchel_forms::testing::disagreement;
    use serde_json::json;

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
    fn the_schema_and_the_reader_agree() {
        let good = json!({"userId": "u1", "type": "use_item", "jobIds": [JobId::from(uuid::Uuid::now_v7())],
            "parkedBefore": "2026-01-31T12:00:00+01:00"});
        let read = |node| satchel_forms::read::<FailedJobs>(node, Pointer::root()).map(drop);
        assert_eq!(disagreement::<FailedJobs>(&[good], read), None);
    }

    #[test]
    fn a_filter_takes_all_that_it_knows() {
        let id = JobId::from(uuid::Uuid::now_v7());
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
