//! The jobs of a load: 10,000 users with four items each, half rewards and half uses.

use std::io::Write;

use uuid::Uuid;

use super::random::Random;

/// How many users there are: `u0` to `u9999`.
pub(crate) const USERS: u32 = 10_000;
/// What they have.
pub(crate) const ITEMS: [&str; 4] = ["gold", "potion", "arrow", "gem"];
/// How much of each item every user has at first, so that no use is ever rejected.
pub(crate) const STOCK: i64 = 1_000_000_000;

/// What a job does; items by their place in [`ITEMS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Gives [`STOCK`] of every item.
    Stock,
    /// Gives one of an item.
    Reward(u8),
    /// Uses one of an item.
    Use(u8),
}

/// A job of user `u<user>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    /// The number of the user.
    pub(crate) user: u32,
    /// What it does.
    pub(crate) act: Act,
}

/// A job that was answered for. Lists of them hold each user's jobs in the order accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The id that the API gave it.
    pub(crate) job_id: Uuid,
    /// The job.
    pub(crate) job: Job,
}

impl Job {
    /// A random reward or use for this user.
    pub(crate) fn random(user: u32, random: &mut Random) -> Self {
        let item = u8::try_from(random.below(4)).unwrap_or_default();
        let act = if random.below(2) == 0 { Act::Reward(item) } else { Act::Use(item) };
        Self { user, act }
    }

    /// What it changes: items and by how much.
    pub(crate) fn deltas(self) -> impl Iterator<Item = (&'static str, i64)> {
        ITEMS.into_iter().zip(0_u8..).filter_map(move |(item, index)| match self.act {
            Act::Stock => Some((item, STOCK)),
            Act::Reward(rewarded) => (rewarded == index).then_some((item, 1)),
            Act::Use(used) => (used == index).then_some((item, -1)),
        })
    }

    /// Appends it as JSON, as `POST /api/v1/jobs` takes it.
    pub(crate) fn write(self, body: &mut Vec<u8>) {
        let user = self.user;
        let start = match self.act {
            Act::Use(_) => r#""type":"use_item""#,
            Act::Reward(_) | Act::Stock => r#""type":"reward_inventory_item""#,
        };
        // Writing to a vector does not fail.
        let _ = write!(body, r#"{{{start},"userId":"u{user}","#);
        if let Act::Use(item) = self.act {
            let item = ITEMS.get(usize::from(item)).copied().unwrap_or_default();
            let _ = write!(body, r#""itemId":"{item}","quantity":1}}"#);
            return;
        }
        let mut separator = r#""items":["#;
        for (item, delta) in self.deltas() {
            let _ = write!(body, r#"{separator}{{"itemId":"{item}","quantity":{delta}}}"#);
            separator = ",";
        }
        body.extend_from_slice(b"]}");
    }
}

/// The job ids of an answer, in order: of one job or of an array.
pub(crate) fn job_ids(body: &[u8]) -> impl Iterator<Item = Uuid> {
    const KEY: &[u8] = b"\"jobId\":\"";
    const UUID_CHARS: usize = 36;
    let mut rest = body;
    std::iter::from_fn(move || {
        let at = rest.windows(KEY.len()).position(|window| window == KEY)?;
        let id = rest.get(at + KEY.len()..)?;
        let (id, after) = id.split_at_checked(UUID_CHARS)?;
        rest = after;
        Uuid::try_parse_ascii(id).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(act: Act) -> String {
        let mut body = Vec::new();
        Job { user: 7, act }.write(&mut body);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn jobs_are_written_as_the_api_takes_them() {
        let reward = r#"{"type":"reward_inventory_item","userId":"u7","items":[{"itemId":"potion","quantity":1}]}"#;
        assert_eq!(written(Act::Reward(1)), reward);
        assert_eq!(written(Act::Use(3)), r#"{"type":"use_item","userId":"u7","itemId":"gem","quantity":1}"#);
        let stock: serde_json::Value = serde_json::from_str(&written(Act::Stock)).unwrap();
        assert_eq!(stock["items"].as_array().unwrap().len(), ITEMS.len());
        assert_eq!(stock["items"][3]["quantity"], STOCK);
    }

    #[test]
    fn the_ids_of_one_job_and_of_an_array_are_found() {
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let one = format!(r#"{{"jobId":"{first}","status":"queued"}}"#);
        assert_eq!(job_ids(one.as_bytes()).collect::<Vec<_>>(), [first]);
        let array = format!(r#"{{"jobs":[{{"jobId":"{first}"}},{{"problem":{{}}}},{{"jobId":"{second}"}}]}}"#);
        assert_eq!(job_ids(array.as_bytes()).collect::<Vec<_>>(), [first, second]);
        assert_eq!(job_ids(br#"{"jobId":"1"#).count(), 0);
    }

    #[test]
    fn a_job_changes_what_it_says() {
        let deltas = |act| Job { user: 1, act }.deltas().collect::<Vec<_>>();
        assert_eq!(deltas(Act::Reward(0)), [("gold", 1)]);
        assert_eq!(deltas(Act::Use(2)), [("arrow", -1)]);
        assert_eq!(deltas(Act::Stock).len(), 4);
    }
}
