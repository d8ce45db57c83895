//! Players by the shard that their jobs are in.

use satchel_model::ids::{Shard, ShardCount, UserId};

fn shards() -> ShardCount {
    ShardCount::new(ShardCount::DEFAULT).expect("a count")
}

/// The shard of a player's jobs.
pub fn shard_of(user_id: &str) -> Shard {
    shards().of_user(&UserId::parse(user_id).expect("a user id"))
}

/// So many other players of the same shard.
pub fn neighbours(user_id: &str, count: usize) -> Vec<String> {
    let shard = shard_of(user_id);
    numbered("neighbour").filter(|other| shard_of(other) == shard).take(count).collect()
}

/// So many players, none of them of that shard.
pub fn strangers(user_id: &str, count: usize) -> Vec<String> {
    let shard = shard_of(user_id);
    numbered("stranger").filter(|other| shard_of(other) != shard).take(count).collect()
}

/// A player of each shard, in the order of the shards.
pub fn one_per_shard() -> Vec<String> {
    let one_of = |shard| numbered("one").find(|user| shard_of(user) == shard).expect("endless names");
    shards().all().map(one_of).collect()
}

fn numbered(name: &str) -> impl Iterator<Item = String> {
    (0..).map(move |number: u32| format!("{name}-{number}"))
}
