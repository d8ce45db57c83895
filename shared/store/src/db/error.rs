//! What can go wrong between Satchel and Postgres.

use satchel_model::ids::UserId;
use satchel_model::ledger::MacFault;

use super::scram::NoVerifier;
use super::stored::Unreadable;

/// What went wrong between Satchel and Postgres.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres is away, or answered with an error.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// Postgres did not answer in time.
    #[error("Postgres did not answer within {deadline_ms} ms")]
    Deadline {
        /// The time that it had, in milliseconds.
        deadline_ms: u64,
    },
    /// Postgres does not work at what it was asked, and no answer is under way: the connection is dead, or all are.
    #[error("Postgres does not work at what it was asked: the connection is dead")]
    Lost,
    /// A row says something that Satchel never wrote.
    #[error("a stored row cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
    /// A holding is not as it was when it was read.
    #[error("somebody else changed a holding meanwhile")]
    Changed,
    /// A job was decided before.
    #[error("a job was decided before")]
    Decided,
    /// A job cannot be decided: its operation looks at a fact that it does not ask for.
    #[error("the job's operation looks at a fact that it does not ask for")]
    Unread,
    /// A user's ledger does not end where its head says.
    #[error("the head of user {user_id}'s ledger cannot be trusted: {fault}")]
    Untrusted {
        /// The user.
        user_id: UserId,
        /// Why not.
        fault: MacFault,
    },
    /// The schema is not there.
    #[error("the database has no Satchel schema: run `satchel migrate`")]
    NotMigrated,
    /// The schema lacks what this program needs.
    #[error("the schema lacks migration {0}: run `satchel migrate` of this version")]
    OldSchema(i64),
    /// The schema is not of this line of programs.
    #[error(transparent)]
    OtherSchema(#[from] OtherSchema),
}

/// A migration of the database is not this program's one of that number.
#[derive(Debug, thiserror::Error)]
#[error(
    "the database has another schema: its migration {version} is not this program's. Nothing is carried over from before the \
     first release: run `satchel migrate` on an empty database"
)]
pub struct OtherSchema {
    /// The first such migration.
    pub version: i64,
}

/// Why a database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Postgres is away or refused.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema is newer than this program, or was changed by hand.
    #[error("{0}")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// The schema is not of this line of programs.
    #[error(transparent)]
    OtherSchema(#[from] OtherSchema),
    /// The number of shards is fixed: jobs in the queue lie where it put them.
    #[error("the database has {actual} shards, which cannot be changed to {wanted}")]
    ShardsFixed {
        /// As the first migration made it.
        actual: i64,
        /// As asked for.
        wanted: u16,
    },
    /// Postgres could not keep every text that is valid here.
    #[error("the database's encoding is {0}, but must be UTF8")]
    Encoding(String),
    /// A program would not be bound by its grants.
    #[error("the role {0} is a superuser: grants do not bind it")]
    Unbound(&'static str),
    /// A program's password cannot be set.
    #[error("{setting}: {source}")]
    Password {
        /// What gives it.
        setting: &'static str,
        /// Why not.
        source: NoVerifier,
    },
    /// The login that connected is also a program's role.
    #[error("connect as the owner of the schema, not as {0}")]
    NotOwner(&'static str),
}
