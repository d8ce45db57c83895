//! Where the files of tests are.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

/// A file system in memory, where there is one. Nothing of a test's has to outlive the machine, and what is synced there, as Redis
/// does with each entry, keeps nobody waiting for a disk.
const MEMORY: &str = "/dev/shm";
/// The room that it must have for that, in bytes; the tests use a part of it.
const ROOM_BYTES: u128 = 6 << 30;

/// Where directories for servers of tests are to be made: where `TMPDIR` says, or in memory, or where temporary files are.
#[must_use]
pub fn temporary_parent() -> PathBuf {
    let has_room = || {
        let free = statvfs(MEMORY).ok()?;
        Some(u128::from(free.blocks_available()) * u128::from(free.fragment_size()) >= ROOM_BYTES)
    };
    let in_memory = std::env::var_os("TMPDIR").is_none() && has_room().unwrap_or(false);
    if in_memory { Path::new(MEMORY).to_owned() } else { std::env::temp_dir() }
}
