//! The facts that a batch reads and writes: holdings, and beside them one file for each kind of the model's list
//! ([`satchel_model::facts`]), with its statements.

pub mod holdings;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use satchel_model::facts::{Facts, Kind, Reads, RuleGrant};
use satchel_model::fold::{Batch, PartyWrites, UserState};
use satchel_model::ids::{JobId, UserId};

use crate::{StoreError, Tx};

/// How a kind of facts is kept.
trait StoredFact: Kind {
    /// What there is for these users and keys.
    async fn load(
        tx: &mut Tx<'_>,
        keys: &[(&UserId, Self::Key)],
    ) -> Result<Vec<(UserId, Self::Key, Self::Value)>, StoreError>;

    /// Writes these, in order. There may be several of one user and key: a kind whose rows change writes the last alone, and one whose
    /// rows are only added fails, since the batch has decided wrongly.
    async fn write(tx: &mut Tx<'_>, writes: &[Write<'_, Self>], at: DateTime<Utc>) -> Result<(), StoreError>;
}

/// A fact that is written.
struct Write<'w, F: Kind> {
    /// Whose.
    user_id: &'w UserId,
    /// Of what.
    key: &'w F::Key,
    /// What it is now.
    value: &'w F::Value,
    /// By which job.
    job_id: JobId,
}

/// Lists the kinds: the module of each, and its type.
macro_rules! kinds {
    ($($module:ident: $Kind:ident),+ $(,)?) => {
        $(mod $module;)+

        async fn load_all(
            tx: &mut Tx<'_>,
            reads: &Reads<'_>,
            users: &mut HashMap<UserId, UserState>,
        ) -> Result<(), StoreError> {
            $(load_kind::<$Kind>(tx, reads, users).await?;)+
            Ok(())
        }

        async fn write_all(tx: &mut Tx<'_>, writes: &[PartyWrites], at: DateTime<Utc>) -> Result<(), StoreError> {
            $(write_kind::<$Kind>(tx, writes, at).await?;)+
            Ok(())
        }
    };
}

kinds! {
    rule_grants: RuleGrant,
}

/// Reads what is asked for, of users whose rows are locked.
///
/// # Errors
/// If Postgres is away.
pub async fn load(tx: &mut Tx<'_>, reads: &Reads<'_>, batch: &mut Batch<'_>) -> Result<(), StoreError> {
    let users = &mut batch.users;
    if !reads.holdings.is_empty() {
        for (user_id, item_id) in &reads.holdings {
            know(users, user_id, |facts| facts.holdings.put(item_id.clone(), None));
        }
        for (user_id, item_id, holding) in holdings::load(tx, &reads.holdings).await? {
            know(users, &user_id, |facts| facts.holdings.put(item_id, Some(holding)));
        }
    }
    load_all(tx, reads, users).await
}

/// Writes what jobs have decided of facts beside the holdings.
///
/// # Errors
/// If Postgres is away, or refuses one.
pub async fn write(tx: &mut Tx<'_>, writes: &[PartyWrites], at: DateTime<Utc>) -> Result<(), StoreError> {
    write_all(tx, writes, at).await
}

async fn load_kind<F: StoredFact>(
    tx: &mut Tx<'_>,
    reads: &Reads<'_>,
    users: &mut HashMap<UserId, UserState>,
) -> Result<(), StoreError> {
    let keys = F::asked(reads);
    if keys.is_empty() {
        return Ok(());
    }
    for (user_id, key) in keys {
        know(users, user_id, |facts| F::known_mut(facts).put(key.clone(), F::Value::default()));
    }
    for (user_id, key, value) in F::load(tx, keys).await? {
        know(users, &user_id, |facts| F::known_mut(facts).put(key, value));
    }
    Ok(())
}

async fn write_kind<F: StoredFact>(
    tx: &mut Tx<'_>,
    writes: &[PartyWrites],
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut all: Vec<Write<'_, F>> = Vec::new();
    for PartyWrites { user_id, job_id, writes } in writes {
        all.extend(F::written(writes).iter().map(|(key, value)| Write { user_id, key, value, job_id: *job_id }));
    }
    if all.is_empty() { Ok(()) } else { F::write(tx, &all, at).await }
}

fn know(users: &mut HashMap<UserId, UserState>, user_id: &UserId, learn: impl FnOnce(&mut Facts)) {
    if let Some(user) = users.get_mut(user_id) {
        learn(&mut user.facts);
    }
}
