//! How often a submission without a key allocates memory on its way through the API, the HTTP library's part left out: counted, not
//! timed. Where a number here no longer holds, a change has made jobs dearer, or cheaper: either the change has to be put right or,
//! in the same commit, the number.

use allocation_counter::measure;
use chrono::DateTime;
use satchel_forms::{Document, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::ids::{JobId, RequestId};
use satchel_model::operations::{Envelope, Submission};
use satchel_wire::envelope::EnvelopeKey;
use satchel_wire::{Fresh, FreshJob};

/// A submission, and how often it allocates: from the body to a valid job; and until it is an envelope that is signed.
const EXPECTED: [(&str, u64, u64); 2] = [
    (r#"{"type":"reward_inventory_item","userId":"player-1","items":[{"itemId":"arrow","quantity":2}]}"#, 14, 4),
    (r#"{"type":"use_item","userId":"player-1","itemId":"arrow"}"#, 9, 4),
];

#[test]
fn a_submission_is_read_and_sealed_with_as_many_allocations_as_before() {
    let found = EXPECTED.map(|(text, ..)| {
        let (reading, sealing) = allocations(text);
        (text, reading, sealing)
    });
    assert_eq!(found, EXPECTED);
}

fn allocations(text: &str) -> (u64, u64) {
    let key = EnvelopeKey::new(&"k".repeat(32).into()).unwrap();
    let actor = Actor::new(Role::Service, "game", Scopes::all()).unwrap();
    let request_id = RequestId::random();
    let mut job = None;
    let reading = measure(|| {
        let Ok(Document::One(node)) = Document::parse(text.as_bytes(), 1) else { panic!("no document") };
        job = Submission::parse(node, Pointer::root()).ok().map(|submission| submission.job);
    });
    let job = job.expect("a valid job");
    let mut sealed = None;
    let sealing = measure(|| {
        let envelope = Envelope {
            job_id: JobId::fresh(&job.user_id),
            job,
            actor: actor.clone(),
            request_id: request_id.clone(),
            submitted_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            reply_to: None,
            journaled: false,
        };
        sealed = Some(key.seal(&envelope));
    });
    assert!(sealed.is_some());
    (reading.count_total, sealing.count_total)
}
