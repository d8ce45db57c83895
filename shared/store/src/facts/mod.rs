//! The facts that a batch reads and writes: holdings, and beside them one file for each kind of the model's list
//! ([`satchel_model::facts`]), with its statements.

pub mod holdings;

use std::collections::HashMap;

use satchel_model::facts::{Facts, Kind, Reads, RuleGrant};
use satchel_model::fold::{Batch, PartyWrites, UserState};
use satchel_model::ids::{UserId, UserKey};

use crate::{StoreError, Tx};

/// How a kind of facts is kept.
trait StoredFact: Kind {
    /// What there is for these users and keys.
    async fn load(
        tx: &mut Tx<'_>,
        keys: &[(UserKey, Self::Key)],
    ) -> Result<Vec<(UserKey, Self::Key, Self::Value)>, StoreError>;

    /// Writes these, in order. There may be several of one user and key: a kind whose rows change writes the last alone, and one whose
    /// rows are only added fails, since the batch has decided wrongly.
    async fn write(tx: &mut Tx<'_>, writes: &[Write<'_, Self>]) -> Result<(), StoreError>;
}

/// A fact that is written.
struct Write<'w, F: Kind> {
    /// Whose.
    user: UserKey,
    /// Of what.
    key: &'w F::Key,
    /// What it is now.
    value: &'w F::Value,
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

        async fn write_all(tx: &mut Tx<'_>, writes: &[PartyWrites]) -> Result<(), StoreError> {
            $(write_kind::<$Kind>(tx, writes).await?;)+
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
        let asked = Asked::of(users, &reads.holdings);
        for (user, item_id, holding) in holdings::load(tx, &asked.keys).await? {
            asked.know(users, user, |facts| facts.holdings.put(item_id, Some(holding)));
        }
    }
    load_all(tx, reads, users).await
}

/// Writes what jobs have decided of facts beside the holdings.
///
/// # Errors
/// If Postgres is away, or refuses one.
pub async fn write(tx: &mut Tx<'_>, writes: &[PartyWrites]) -> Result<(), StoreError> {
    write_all(tx, writes).await
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
    let asked = Asked::of(users, keys);
    for (user, key, value) in F::load(tx, &asked.keys).await? {
        asked.know(users, user, |facts| F::known_mut(facts).put(key, value));
    }
    Ok(())
}

async fn write_kind<F: StoredFact>(tx: &mut Tx<'_>, writes: &[PartyWrites]) -> Result<(), StoreError> {
    let mut all: Vec<Write<'_, F>> = Vec::new();
    for PartyWrites { user, writes } in writes {
        all.extend(F::written(writes).iter().map(|(key, value)| Write { user: *user, key, value }));
    }
    if all.is_empty() { Ok(()) } else { F::write(tx, &all).await }
}

/// What is asked for, by where its users' rows are.
struct Asked<'a, K> {
    keys: Vec<(UserKey, K)>,
    names: HashMap<UserKey, &'a UserId>,
}

impl<'a, K: Clone> Asked<'a, K> {
    fn of(users: &HashMap<UserId, UserState>, asked: &[(&'a UserId, K)]) -> Self {
        let (mut keys, mut names) = (Vec::with_capacity(asked.len()), HashMap::new());
        for (user_id, key) in asked {
            if let Some(user) = users.get(*user_id) {
                keys.push((user.key, key.clone()));
                names.insert(user.key, *user_id);
            }
        }
        Self { keys, names }
    }

    fn know(&self, users: &mut HashMap<UserId, UserState>, user: UserKey, learn: impl FnOnce(&mut Facts)) {
        if let Some(user_id) = self.names.get(&user) {
            know(users, user_id, learn);
        }
    }
}

fn know(users: &mut HashMap<UserId, UserState>, user_id: &UserId, learn: impl FnOnce(&mut Facts)) {
    if let Some(user) = users.get_mut(user_id) {
        learn(&mut user.facts);
    }
}
