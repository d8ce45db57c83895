//! Jobs' identifiers.

use std::fmt;

use satchel_forms::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::place::PLACES;
use super::{EventId, IdempotencyKey, UserId};

/// One job: a UUID (RFC 9562) that says where its user's things are, but for jobs that
/// have a name before they have a user: those of events, and of functions' steps.
///
/// The 12 bits after the version, which versions 7 and 8 leave to whoever makes one, are the user's
/// [`UserId::place`]: so the id alone leads to the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Form)]
#[serde(transparent)]
#[form(text = |text| Self::parse(text).map_err(|_| "must be a job's id"))]
pub struct JobId(Uuid);

/// Where in a UUID the place is: its octets 6 and 7, but for the version.
const PLACE_SHIFT: u32 = 64;
/// The last bit, which is set in the ids of version 8 that have no place, and in no others of that version.
const NO_PLACE: u128 = 1;

impl JobId {
    /// The one that `caller`'s `key` always names for this user: version 8 over a SHA-256 of the three. Whoever repeats a
    /// submission under its key thereby repeats its job id, whatever was lost in between.
    #[must_use]
    pub fn of_key(caller: &str, user_id: &UserId, key: &IdempotencyKey) -> Self {
        Self::placed(named(b"satchel/job-id/2\0", &[caller, user_id.as_str()], key.as_str()), user_id)
    }

    /// The one of the job by which `caller` tells of an event: as [`JobId::of_key`], so that it is told of once. The event's id is its
    /// sender's alone, whoever it is about, so that this one leads nowhere.
    #[must_use]
    pub fn of_event(caller: &str, id: &EventId) -> Self {
        Self::without_place(named(b"satchel/event-job-id/1\0", &[caller], id.as_str()))
    }

    /// The one of the job that a step of a function submits: one step, one job, whomever it is for at which attempt, so that this
    /// one leads nowhere either.
    #[must_use]
    pub fn of_step(function: &str, key: &IdempotencyKey) -> Self {
        Self::without_place(named(b"satchel/job-id/1\0", &[function], key.as_str()))
    }

    fn without_place(uuid: Uuid) -> Self {
        Self(Uuid::from_u128(uuid.as_u128() | NO_PLACE))
    }

    /// A new one for this user, of a UUID of version 7.
    #[must_use]
    pub fn placed(uuid: Uuid, user_id: &UserId) -> Self {
        let mask = u128::from(PLACES - 1) << PLACE_SHIFT;
        Self(Uuid::from_u128(uuid.as_u128() & !mask | u128::from(user_id.place()) << PLACE_SHIFT))
    }

    /// Its user's place, if Satchel has made it.
    #[must_use]
    pub(super) fn place(self) -> u16 {
        u16::try_from(self.0.as_u128() >> PLACE_SHIFT & u128::from(PLACES - 1)).unwrap_or_default()
    }

    /// Whether it leads to its user's shard, if Satchel has made it.
    #[must_use]
    pub fn has_place(self) -> bool {
        !self.is_of_key() || self.0.as_u128() & NO_PLACE == 0
    }

    /// Whether an idempotency key or an event's id names it.
    #[must_use]
    pub fn is_of_key(&self) -> bool {
        self.0.get_version_num() == 8
    }

    /// Parses the hyphenated form.
    ///
    /// # Errors
    /// If the text is no UUID.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }

    /// The UUID.
    #[must_use]
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

/// A UUID of version 8: the first bytes of a SHA-256, the last bit 0.
fn named(domain: &[u8], scope: &[&str], name: &str) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(domain);
    // The lengths keep ("ab", "c") and ("a", "bc") apart.
    for text in scope {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update(name);
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    Uuid::from_u128(Uuid::new_v8(bytes).as_u128() & !NO_PLACE)
}

impl From<Uuid> for JobId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ShardCount;

    fn user(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    #[test]
    fn a_key_names_one_job_per_caller_and_user() {
        let key = IdempotencyKey::parse("k").unwrap();
        let id = JobId::of_key("service:game", &user("u1"), &key);
        assert_eq!(id, JobId::of_key("service:game", &user("u1"), &key));
        assert_ne!(id, JobId::of_key("service:other", &user("u1"), &key));
        assert_ne!(id, JobId::of_key("service:game", &user("u2"), &key));
        assert!(id.is_of_key() && !JobId::from(Uuid::nil()).is_of_key());
        let shifted = IdempotencyKey::parse("1k").unwrap();
        assert_ne!(id, JobId::of_key("service:game", &user("u"), &shifted));
    }

    #[test]
    fn an_id_leads_to_its_users_shard_and_stays_the_uuid_that_it_was() {
        let of_time = Uuid::from_u128(0x0190_1234_5678_7fff_bfff_ffff_ffff_ffff);
        for (count, name) in [(64, "u1"), (64, "player:42"), (5, "u2"), (4_096, "u3"), (1, "u4")] {
            let (shards, user_id) = (ShardCount::new(count).unwrap(), user(name));
            let key = IdempotencyKey::parse("k").unwrap();
            let ids = [JobId::placed(of_time, &user_id), JobId::of_key("service:game", &user_id, &key)];
            assert_eq!(ids.map(|id| shards.of_job(id)), [shards.of_user(&user_id); 2], "{name} of {count}");
            let [fresh, named] = ids.map(|id| id.as_uuid());
            assert_eq!((fresh.get_version_num(), named.get_version_num()), (7, 8));
            let others = |uuid: Uuid| uuid.as_u128() & !(0xfff << PLACE_SHIFT);
            assert_eq!(others(fresh), others(of_time));
            assert!(ids.into_iter().all(JobId::has_place));
        }
    }

    #[test]
    fn ids_of_events_and_steps_say_that_they_have_no_place() {
        for number in 0..100 {
            let of_event = JobId::of_event("service:game", &EventId::parse(&format!("e{number}")).unwrap());
            let of_step = JobId::of_step("function:f", &IdempotencyKey::parse(&format!("k{number}")).unwrap());
            let of_key =
                JobId::of_key("service:game", &user("u"), &IdempotencyKey::parse(&format!("k{number}")).unwrap());
            assert_eq!([of_event, of_step, of_key].map(JobId::has_place), [false, false, true]);
            assert!(of_event.is_of_key() && of_step.is_of_key());
        }
    }
}
