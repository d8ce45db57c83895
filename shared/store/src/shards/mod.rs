//! Who serves a shard, and how far its queue has come.

pub mod leases;
pub mod replicas;
pub mod watermarks;
