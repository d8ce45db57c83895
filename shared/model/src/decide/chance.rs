//! Chance as an input: bytes that nobody can guess beforehand and everybody can work out afterwards.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::JobId;

/// What chance is drawn from: secret until it is revealed.
#[derive(Clone)]
pub struct ChanceKey([u8; 32]);

impl ChanceKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for ChanceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChanceKey(…)")
    }
}

/// One job's chance. The same key and job give the same bytes, draw by draw.
#[derive(Debug)]
pub struct Chance<'a> {
    key: &'a ChanceKey,
    job_id: JobId,
    /// Draws so far.
    counter: u64,
}

impl<'a> Chance<'a> {
    /// What the domain tag of each draw is.
    const TAG: &'static [u8] = b"satchel/chance/1";

    /// The chance of a job.
    #[must_use]
    pub fn of_job(key: &'a ChanceKey, job_id: JobId) -> Self {
        Self { key, job_id, counter: 0 }
    }

    /// 32 bytes for a draw from `table`: HMAC-SHA256 by the key over the length of the tag (8 bytes, big-endian) and the tag, the
    /// job's id (16 bytes), the length of the table's name and the name, and the draw's number in the job, from 0.
    pub fn draw(&mut self, table: &str) -> [u8; 32] {
        // A key of 32 bytes, filled up with zeros to HMAC's block (RFC 2104).
        let mut block = [0; 64];
        block.iter_mut().zip(self.key.0).for_each(|(filled, byte)| *filled = byte);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&(Self::TAG.len() as u64).to_be_bytes());
        mac.update(Self::TAG);
        mac.update(self.job_id.as_uuid().as_bytes());
        mac.update(&(table.len() as u64).to_be_bytes());
        mac.update(table.as_bytes());
        mac.update(&self.counter.to_be_bytes());
        self.counter += 1;
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_same_key_job_table_and_draw_give_the_same_bytes_and_others_do_not() {
        let (key, job) = (ChanceKey::new([7; 32]), JobId::from(Uuid::from_u128(1)));
        let draws = |key: &ChanceKey, job: JobId, table: &str| {
            let mut chance = Chance::of_job(key, job);
            [chance.draw(table), chance.draw(table)]
        };
        let [first, second] = draws(&key, job, "chest");
        assert_eq!(draws(&key, job, "chest"), [first, second]);
        assert_ne!(first, second);
        assert_ne!(draws(&ChanceKey::new([8; 32]), job, "chest")[0], first);
        assert_ne!(draws(&key, JobId::from(Uuid::from_u128(2)), "chest")[0], first);
        assert_ne!(draws(&key, job, "chests")[0], first);
    }
}
