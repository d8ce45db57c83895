//! Which Satchel this is: one database, and the queue that belongs to it.

use uuid::Uuid;

use crate::ids::ShardCount;

/// What the database says of itself. Made by its first migrations, never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installation {
    /// Told apart by it: a Redis that another installation uses is left alone, and what another one has signed does not
    /// pass for signed. A copy of a database is the same installation.
    pub id: Uuid,
    /// How many shards jobs are spread over.
    pub shards: ShardCount,
}
