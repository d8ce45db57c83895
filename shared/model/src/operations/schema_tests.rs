//! Whether the schemas of what is submitted say what is taken.

use satchel_forms::testing::disagreement;
use satchel_forms::{Pointer, read};
use serde_json::json;

use super::{EventSubmission, Job, Submission, Work};

#[test]
fn the_schema_of_a_job_and_its_reader_agree() {
    let common = json!({"type": "use_item", "userId": "u1", "itemId": "key", "quantity": 2, "reason": "r", "priority": "high",
        "notBefore": "2030-01-01T12:00:00+02:00", "quiet": false, "idempotencyKey": "k"});
    let reward =
        json!({"type": "reward_inventory_item", "userId": "u1", "items": ["key", {"itemId": "gold", "quantity": 5}]});
    let event = json!({"type": "send_event", "userId": "u1", "eventId": "e", "name": "a/b", "data": {"a": [1]},
        "at": "2026-01-31T12:00:00Z"});
    let give = json!({"type": "give", "userId": "u1", "to": "u2", "itemId": "gold", "quantity": 5});
    let good = [common, reward, event, give];
    assert_eq!(good.len(), Work::NAMES.len(), "one of each type");
    assert_eq!(disagreement::<Submission>(&good, |node| read::<Submission>(node, Pointer::root()).map(drop)), None);
    // What a job is beside its submission.
    let job = json!({"type": "use_item", "userId": "u1", "itemId": "key"});
    assert_eq!(disagreement::<Job>(&[job], |node| read::<Job>(node, Pointer::root()).map(drop)), None);
}

#[test]
fn the_schema_of_an_event_and_its_reader_agree() {
    let good = json!({"id": "e", "name": "a/b", "userId": "u1", "data": {"planetId": "mars"}, "at": "2026-01-31T12:00:00Z",
        "quiet": true});
    let read = |node| read::<EventSubmission>(node, Pointer::root()).map(drop);
    assert_eq!(disagreement::<EventSubmission>(&[good], read), None);
}
