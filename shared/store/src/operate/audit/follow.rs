//! One user's records, followed to the end, and whether all else that is stored of the user is what they say.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use chrono::{DateTime, Utc};
use satchel_model::ids::Uid;
use satchel_model::ledger::{ChainVerifier, Head, LedgerKeys, Record};

use super::changes::{Change, Changes};

/// What is stored of a user beside the records.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// `None` if there is no such user.
    pub(super) head: Option<StoredHead>,
    /// Item and quantity.
    pub(super) holdings: Vec<(String, i64)>,
    pub(super) given: Given,
}

/// A head, and its MAC.
#[derive(Debug)]
pub(super) struct StoredHead {
    pub(super) head: Head,
    pub(super) mac: Option<Vec<u8>>,
}

/// What reward rules have given for, however much: a sum of hashes that nobody can foresee, which is the same for the same rules and
/// values in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Given {
    count: u64,
    sum: u128,
}

/// Hashes for [`Given`].
#[derive(Debug, Clone, Default)]
pub(super) struct GivenHasher(RandomState, RandomState);

impl GivenHasher {
    pub(super) fn add(&self, given: &mut Given, rule_id: &str, value: &str) {
        let [high, low] = [&self.0, &self.1].map(|half| u128::from(half.hash_one((rule_id, value))));
        given.count += 1;
        given.sum = given.sum.wrapping_add(high << 64 | low);
    }
}

/// A user's records so far.
#[derive(Debug, Default)]
pub(super) struct Followed {
    chain: ChainVerifier,
    /// After its first fault every later record is off as well: nothing more is said of the user.
    is_off: bool,
    balances: HashMap<String, i64>,
    given: Given,
    last_at: Option<DateTime<Utc>>,
    /// How many.
    pub(super) records: u64,
    /// How many changes.
    pub(super) changes: u64,
}

impl Followed {
    /// Follows the next record; `tell` is told what is wrong with it.
    pub(super) fn follow(&mut self, record: &Record, hasher: &GivenHasher, tell: impl Fn(String)) {
        self.records += 1;
        if self.is_off {
            return;
        }
        if let Err(fault) = self.chain.follow(record) {
            self.is_off = true;
            return tell(fault.to_string());
        }
        self.last_at = Some(record.at);
        let changes = match Changes::parse(&record.body) {
            Ok(changes) => changes,
            Err(error) => return tell(format!("record {} cannot be read: {error}", record.seq)),
        };
        if i16::try_from(changes.len()) != Ok(record.count) {
            return tell(format!("record {} has another number of changes", record.seq));
        }
        for (seq, change) in (record.seq..).zip(changes) {
            self.changes += 1;
            match change {
                Change::Stack { item_id, delta, balance } => {
                    if self.put(&item_id, balance).checked_add(delta) != Some(balance) {
                        tell(format!("entry {seq} has a balance that is not the sum up to it"));
                    }
                }
                Change::Once { rule_id, value } => hasher.add(&mut self.given, &rule_id, &value),
                Change::Other => {}
            }
        }
    }

    /// Puts a balance in the place of the one before.
    fn put(&mut self, item_id: &str, balance: i64) -> i64 {
        match self.balances.get_mut(item_id) {
            Some(before) => std::mem::replace(before, balance),
            None => self.balances.insert(item_id.to_owned(), balance).unwrap_or_default(),
        }
    }

    /// Compares the end with what is stored.
    pub(super) fn finish(mut self, uid: Uid, stored: &Stored, keys: Option<&LedgerKeys>, tell: impl Fn(String)) {
        if self.is_off {
            return;
        }
        if let Some(fault) = self.head_fault(uid, stored.head.as_ref(), keys) {
            tell(fault);
        }
        for (item_id, held) in &stored.holdings {
            let summed = self.balances.remove(item_id).unwrap_or_default();
            if *held != summed {
                tell(format!("{held} of {item_id} held, but the ledger sums to {summed}"));
            }
        }
        for (item_id, summed) in self.balances {
            tell(format!("no row of {item_id} is held, but the ledger sums to {summed}"));
        }
        if self.given != stored.given {
            let (given, told) = (stored.given.count, self.given.count);
            tell(format!("the {given} values for which rules have given are not the {told} of the ledger"));
        }
    }

    fn head_fault(&self, uid: Uid, stored: Option<&StoredHead>, keys: Option<&LedgerKeys>) -> Option<String> {
        let end = self.chain.head();
        let Some(StoredHead { head, mac }) = stored else {
            return (self.records > 0).then(|| "the ledger has no head".to_owned());
        };
        if (head.version, head.hash) != end {
            return Some("the head is not the end of the ledger".to_owned());
        }
        if self.last_at.is_none() && (head.decided_at.is_some() || mac.is_some()) {
            return Some("the head tells of records that there are none of".to_owned());
        }
        if head.decided_at > self.last_at || (self.last_at.is_some() && head.decided_at.is_none()) {
            return Some("the head's decision time is not one before its last record".to_owned());
        }
        let fault = keys?.check_head(uid, head, mac.as_deref()).err()?;
        Some(format!("the head cannot be trusted: {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use satchel_model::ids::{JobId, Shard, UserKey};
    use satchel_model::ledger::{ChainHash, LedgerKey, Seal};
    use uuid::Uuid;

    use super::*;

    const UID: Uid = Uid::new(7);
    const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;

    /// A chain of records with these changes: whole, whatever they say.
    fn chain(changes: &[&[&str]]) -> Vec<Record> {
        let (mut seq, mut hash) = (1, ChainHash::GENESIS);
        let mut record = |changes: &&[&str]| {
            let count = i16::try_from(changes.len()).unwrap();
            let mut record = Record {
                user: UserKey { shard: Shard::new(0), uid: UID },
                seq,
                count,
                job_id: Some(JobId::from(Uuid::from_u128(1))),
                is_rejected: false,
                at: AT,
                body: format!(r#"{{"changes":[{}]}}"#, changes.join(",")),
                seal: Seal::Chained(hash),
            };
            hash = record.hash(hash);
            record.seal = Seal::Chained(hash);
            seq += i64::from(count);
            record
        };
        changes.iter().map(&mut record).collect()
    }

    /// What is found of these records and what is stored beside them.
    fn found(records: &[Record], stored: impl FnOnce(Head) -> Stored, keys: Option<&LedgerKeys>) -> Vec<String> {
        let (found, hasher) = (RefCell::new(Vec::new()), GivenHasher::default());
        let tell = |fault| found.borrow_mut().push(fault);
        let mut followed = Followed::default();
        for record in records {
            followed.follow(record, &hasher, tell);
        }
        let (version, hash) = followed.chain.head();
        let head = Head { version, hash, decided_at: (version > 0).then_some(AT), is_blocked: false };
        followed.finish(UID, &stored(head), keys, tell);
        found.into_inner()
    }

    fn stored(head: Head, holdings: &[(&str, i64)]) -> Stored {
        let holdings = holdings.iter().map(|(item_id, quantity)| ((*item_id).to_owned(), *quantity)).collect();
        Stored { head: Some(StoredHead { head, mac: None }), holdings, given: Given::default() }
    }

    #[test]
    fn a_balance_must_be_the_one_before_and_the_change() {
        let good =
            chain(&[&[r#"{"stack":["gold",2,2]}"#, r#"{"stack":["gem",1,1]}"#], &[r#"{"stack":["gold",-1,1]}"#]]);
        assert_eq!(found(&good, |head| stored(head, &[("gem", 1), ("gold", 1)]), None), Vec::<String>::new());
        let bad = chain(&[&[r#"{"stack":["gold",2,2]}"#, r#"{"stack":["gem",1,1]}"#], &[r#"{"stack":["gold",-1,2]}"#]]);
        let said = "entry 3 has a balance that is not the sum up to it";
        assert_eq!(found(&bad, |head| stored(head, &[("gem", 1), ("gold", 2)]), None), [said]);
        let most =
            chain(&[&[r#"{"stack":["gold",9223372036854775807,9223372036854775807]}"#, r#"{"stack":["gold",1,1]}"#]]);
        assert_eq!(found(&most, |head| stored(head, &[("gold", 1)]), None).len(), 1);
    }

    #[test]
    fn a_record_must_have_as_many_changes_as_it_counts_and_be_readable() {
        let mut records = chain(&[&[r#"{"used":["key",1]}"#, r#"{"used":["key",1]}"#]]);
        let resealed = |records: &mut [Record]| {
            let hash = records[0].hash(ChainHash::GENESIS);
            records[0].seal = Seal::Chained(hash);
        };
        records[0].count = 3;
        resealed(&mut records);
        assert_eq!(found(&records, |head| stored(head, &[]), None), ["record 1 has another number of changes"]);
        records[0].body.clear();
        resealed(&mut records);
        assert!(found(&records, |head| stored(head, &[]), None)[0].starts_with("record 1 cannot be read: "));
    }

    #[test]
    fn what_was_given_for_is_the_same_in_any_order_and_nothing_else_is() {
        let hasher = GivenHasher::default();
        let given = |keys: &[(&str, &str)]| {
            let mut given = Given::default();
            for (rule_id, value) in keys {
                hasher.add(&mut given, rule_id, value);
            }
            given
        };
        assert_eq!(given(&[("a", "1"), ("b", "2")]), given(&[("b", "2"), ("a", "1")]));
        for other in
            [&[("a", "1")][..], &[("a", "1"), ("b", "1")], &[("a", "1"), ("a", "1")], &[("a1", ""), ("b", "2")]]
        {
            assert_ne!(given(&[("a", "1"), ("b", "2")]), given(other));
        }
    }

    #[test]
    fn heads_are_checked_by_keys_and_without_them_as_far_as_that_goes() {
        let key = LedgerKey::new(b"a-ledger-key-a-ledger-key-a-ledger").unwrap();
        let keys = LedgerKeys { current: key.clone(), previous: None };
        let records = chain(&[&[r#"{"used":["key",1]}"#]]);
        let signed = |head: Head, of: Head| Stored {
            head: Some(StoredHead { head, mac: Some(key.sign_head(UID, &of).as_bytes().to_vec()) }),
            ..Stored::default()
        };
        assert_eq!(found(&records, |head| signed(head, head), Some(&keys)), Vec::<String>::new());
        let earlier = |head: Head| Head { decided_at: Some(AT - chrono::TimeDelta::seconds(1)), ..head };
        let untrusted = "the head cannot be trusted: it does not fit its signature";
        assert_eq!(found(&records, |head| signed(earlier(head), head), Some(&keys)), [untrusted]);
        assert_eq!(found(&records, |head| signed(earlier(head), head), None), Vec::<String>::new());
        assert_eq!(found(&[], |head| stored(head, &[]), Some(&keys)), Vec::<String>::new());
        let nothing = "the head tells of records that there are none of";
        assert_eq!(found(&[], |head| signed(head, head), None), [nothing]);
        assert_eq!(found(&records, |_| Stored::default(), None), ["the ledger has no head"]);
        assert_eq!(found(&[], |_| Stored::default(), None), Vec::<String>::new());
    }
}
