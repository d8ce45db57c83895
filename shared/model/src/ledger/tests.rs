use chrono::DateTime;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::ids::{JobId, RequestId, Shard, Uid, UserId, UserKey};
use crate::json::raw;

fn user() -> UserId {
    UserId::parse("u1").unwrap()
}

const CANONICAL: &str =
    r#"{"userId":"u1","reason":"say \"hi\"","type":"reward_inventory_item","items":[{"itemId":"gold","quantity":5}]}"#;

fn body(changes: &[RecordedChange], actor: Option<RecordedActor<'_>>) -> String {
    let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
    NewBody {
        canonical: CANONICAL,
        user_id: &user(),
        actor,
        request_id: &RequestId::parse("r").unwrap(),
        submitted_at: at(1_700_000_000_000_000),
        decided_at: at(1_700_000_000_000_000 + i64::try_from(changes.len()).unwrap()),
        catalogue_version: 3,
        attempts: i32::try_from(changes.len()).unwrap(),
        changes,
        result: &raw(&json!({"granted": changes.len()})),
    }
    .text()
}

fn stack(delta: i64, balance: i64, cause: Option<&str>) -> RecordedChange {
    RecordedChange::Stack(StackChange("gold".parse_item(), delta, balance, cause.map(Into::into)))
}

trait ParseItem {
    fn parse_item(&self) -> crate::ids::ItemId;
}

impl ParseItem for str {
    fn parse_item(&self) -> crate::ids::ItemId {
        crate::ids::ItemId::parse(self).unwrap()
    }
}

fn record(number: u128, seq: i64, changes: &[RecordedChange], actor: Option<RecordedActor<'_>>) -> Record {
    Record {
        user: UserKey { shard: Shard::new(7), uid: Uid::new(42) },
        seq,
        count: i16::try_from(changes.len()).unwrap(),
        job_id: (number > 0).then(|| JobId::from(Uuid::from_u128(number))),
        is_rejected: changes.is_empty(),
        at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
        body: body(changes, actor),
        seal: Seal::Chained(ChainHash::GENESIS),
    }
}

/// Three records of a user, with two, one and two changes.
fn chained() -> Vec<Record> {
    let once = RecordedChange::Fact { kind: "once".into(), said: r#"["welcome","7"]"#.into() };
    let game = || Some(RecordedActor::Named("service:game".into()));
    let mut records = vec![
        record(1, 1, &[stack(5, 5, None), stack(2, 7, Some("rule:\"x\""))], game()),
        record(2, 3, &[stack(-1, 6, None)], None),
        record(
            0,
            4,
            &[once, RecordedChange::Used(UsedChange("key".parse_item(), 2))],
            Some(RecordedActor::User(Uid::new(9))),
        ),
    ];
    let mut head = ChainHash::GENESIS;
    for record in &mut records {
        head = record.hash(head);
        record.seal = Seal::Chained(head);
    }
    records
}

fn verify(records: &[Record]) -> Result<(), ChainFault> {
    let mut verifier = ChainVerifier::default();
    records.iter().try_for_each(|record| verifier.follow(record))
}

#[test]
fn an_untouched_chain_verifies() {
    assert_eq!(verify(&chained()), Ok(()));
}

/// Falsifies a record.
type Edit = fn(&mut Record);

#[test]
fn an_edited_dropped_or_inserted_record_breaks_the_chain() {
    let edits: [(&str, Edit); 8] = [
        ("uid", |record| record.user.uid = Uid::new(43)),
        ("count", |record| record.count = 2),
        ("job", |record| record.job_id = None),
        ("rejected", |record| record.is_rejected = true),
        ("at", |record| record.at += chrono::TimeDelta::microseconds(1)),
        ("body", |record| record.body = record.body.replace("-1", "-2")),
        ("no change", |record| record.count = 0),
        ("alone", |record| record.seal = Seal::Alone(record.mac(&LedgerKey::new(&[1; 32]).unwrap()))),
    ];
    for (what, edit) in edits {
        let mut edited = chained();
        edit(&mut edited[1]);
        assert_eq!(verify(&edited), Err(ChainFault::Hash { seq: 3 }), "{what}");
    }
    let mut dropped = chained();
    dropped.remove(1);
    assert_eq!(verify(&dropped), Err(ChainFault::Gap { expected: 3, found: 4 }));
    let mut renumbered = dropped;
    renumbered[1].seq = 3;
    assert_eq!(verify(&renumbered), Err(ChainFault::Hash { seq: 3 }));
}

#[test]
fn a_body_is_read_as_it_was_written() {
    for record in chained() {
        let body = Body::parse(&record.body).unwrap();
        assert_eq!(body.changes.len(), usize::try_from(record.count).unwrap());
        assert_eq!(body.job_type().unwrap(), "reward_inventory_item");
        assert_eq!(body.reason().unwrap().unwrap(), "say \"hi\"");
        assert_eq!(body.payload_hash(&user()), crate::operations::PayloadHash::of(CANONICAL));
        serde_json::from_str::<Value>(&record.body).unwrap();
    }
    let entries = |record: &Record| {
        let Record { seq, job_id, at, body, .. } = record;
        let user_id = &user();
        let recorded = Recorded { user_id, seq: *seq, job_id: *job_id, at: *at, body, hash: ChainHash::GENESIS };
        LedgerEntry::of_record(recorded).unwrap()
    };
    let [first, second, third] = chained().try_into().unwrap();
    let shown: Vec<_> = entries(&first).into_iter().map(|e| (e.seq, e.delta, e.balance, e.actor, e.cause)).collect();
    let game = "service:game".to_owned();
    assert_eq!(shown, [(1, 5, 5, game.clone(), None), (2, 2, 7, game, Some("rule:\"x\"".into()))]);
    assert_eq!(entries(&second)[0].actor, "player:u1");
    assert!(entries(&third).is_empty(), "holdings alone are shown");
}

#[test]
fn a_kind_of_change_that_nobody_knows_yet_is_kept_as_it_is() {
    let text = r#"{"changes":[{"lot":["gold",{"until":"2030"}]},{"stack":["gold",1,1]}]}"#;
    let changes = Body::parse(text).unwrap().changes;
    let lot = RecordedChange::Fact { kind: "lot".into(), said: r#"["gold",{"until":"2030"}]"#.into() };
    assert_eq!(changes, [lot, stack(1, 1, None)]);
    for bad in
        [r#"{"changes":[{}]}"#, r#"{"changes":[{"stack":["gold",1,1],"used":["gold",1]}]}"#, r#"{"changes":[5]}"#]
    {
        assert!(Body::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_head_and_a_record_without_changes_are_trusted_by_their_key_alone() {
    let key = |byte: u8| LedgerKey::new(&[byte; 32]).unwrap();
    let keys = |current, previous: Option<u8>| LedgerKeys { current: key(current), previous: previous.map(key) };
    let (uid, hash) = (Uid::new(42), ChainHash([3; 32]));
    let head = Head { version: 5, hash, decided_at: DateTime::from_timestamp_micros(7), is_blocked: false };
    let mac = key(1).sign_head(uid, &head);
    let check = |keys: LedgerKeys, uid, head: Head, mac: &[u8]| keys.check_head(uid, &head, Some(mac));
    assert_eq!(check(keys(1, None), uid, head, mac.as_bytes()), Ok(()));
    assert_eq!(check(keys(2, Some(1)), uid, head, mac.as_bytes()), Ok(()));
    assert_eq!(check(keys(2, None), uid, head, mac.as_bytes()), Err(MacFault::OtherKey));
    assert_eq!(keys(1, None).check_head(uid, &head, None), Err(MacFault::Missing));
    assert_eq!(check(keys(1, None), uid, head, &mac.as_bytes()[..19]), Err(MacFault::Missing));
    let mut flipped = mac.as_bytes().to_vec();
    flipped[19] ^= 1;
    let wrong = Err(MacFault::Wrong);
    assert_eq!(check(keys(1, None), uid, head, &flipped), wrong);
    assert_eq!(check(keys(1, None), Uid::new(43), head, mac.as_bytes()), wrong);
    assert_eq!(check(keys(1, None), uid, Head { version: 6, ..head }, mac.as_bytes()), wrong);
    assert_eq!(check(keys(1, None), uid, Head { decided_at: None, ..head }, mac.as_bytes()), wrong);
    // Whether a user is blocked is no part of its ledger, and an empty ledger is nobody's to sign.
    assert_eq!(check(keys(1, None), uid, Head { is_blocked: true, ..head }, mac.as_bytes()), Ok(()));
    assert_eq!(keys(1, None).check_head(uid, &Head::GENESIS, None), Ok(()));
    assert_eq!(LedgerKey::new(&[1; 31]).unwrap_err(), WeakKey);

    let mut rejected = record(1, 5, &[], None);
    let mac = rejected.mac(&key(1));
    assert_eq!(keys(1, None).check_record(&rejected, mac.as_bytes()), Ok(()));
    rejected.body = rejected.body.replace("granted", "refused");
    assert_eq!(keys(1, None).check_record(&rejected, mac.as_bytes()), wrong);
}

/// What docs/design/ledger-vectors.json must say: programs in other languages check themselves by it.
fn vectors() -> Value {
    let key = LedgerKey::new(&[7; 32]).unwrap();
    let describe = |record: &Record| {
        json!({
            "uid": record.user.uid, "seq": record.seq, "count": record.count, "isRejected": record.is_rejected,
            "jobId": record.job_id, "atMicros": record.at.timestamp_micros(), "body": record.body,
            "seal": hex::encode(record.seal.as_bytes()),
        })
    };
    let mut alone = record(3, 5, &[], None);
    alone.seal = Seal::Alone(alone.mac(&key));
    let records = chained();
    let mut verifier = ChainVerifier::default();
    records.iter().try_for_each(|record| verifier.follow(record)).unwrap();
    let (version, hash) = verifier.head();
    let decided_at = DateTime::from_timestamp_micros(1_700_000_000_000_002);
    let head = Head { version, hash, decided_at, is_blocked: false };
    json!({
        "format": "satchel/record/2",
        "key": hex::encode([7; 32]),
        "chain": records.iter().map(describe).collect::<Vec<_>>(),
        "alone": [describe(&alone)],
        "head": {
            "uid": 42, "version": head.version, "hash": head.hash, "decidedAtMicros": 1_700_000_000_000_002_i64,
            "mac": hex::encode(key.sign_head(Uid::new(42), &head).as_bytes()),
        },
    })
}

#[test]
fn the_published_vectors_are_these() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/design/ledger-vectors.json");
    let published = std::fs::read_to_string(path).unwrap_or_default();
    let expected = format!("{:#}\n", vectors());
    if std::env::var_os("SATCHEL_RENEW").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    assert!(published == expected, "{path} is not as the code is: SATCHEL_RENEW=1 renews it");
}
