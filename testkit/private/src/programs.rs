//! Finding the installed programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::PrivateError;

/// The oldest Postgres that Satchel's schema is written for.
const OLDEST_POSTGRES: u32 = 13;

/// Folders under which distributions and Homebrew keep a folder per Postgres version.
const POSTGRES_HOMES: [&str; 5] =
    ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr/lib", "/usr/local/lib"];

/// Where servers may be besides `PATH`, which for plain users may lack them.
const EXTRA_PATHS: [&str; 4] = ["/usr/local/bin", "/opt/homebrew/bin", "/usr/sbin", "/usr/local/sbin"];

/// One installed Postgres.
#[derive(Debug, Clone)]
pub(crate) struct PostgresPrograms {
    bin: PathBuf,
    /// Its major version.
    pub(crate) major: u32,
}

impl PostgresPrograms {
    /// The Postgres to use: the one in `PATH` first, then the newest. With `data_major`, the version that the data
    /// was made by, if it is installed; else some other one, and the caller must refuse.
    pub(crate) fn find(data_major: Option<u32>) -> Result<Self, PrivateError> {
        let mut first = None;
        for bin in postgres_folders() {
            let Some(found) = Self::in_folder(&bin) else { continue };
            if data_major.is_none_or(|major| major == found.major) {
                return Ok(found);
            }
            first.get_or_insert(found);
        }
        first.ok_or(PrivateError::Missing {
            program: "Postgres (initdb, postgres, psql)",
            package: "postgresql",
            variable: "DATABASE_URL",
        })
    }

    /// The path of one of its programs.
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.bin.join(program)
    }

    fn in_folder(bin: &Path) -> Option<Self> {
        if !["initdb", "postgres", "psql"].iter().all(|program| bin.join(program).is_file()) {
            return None;
        }
        let output = Command::new(bin.join("postgres")).arg("--version").current_dir("/").output().ok()?;
        let major = major(&String::from_utf8_lossy(&output.stdout))?;
        (major >= OLDEST_POSTGRES).then(|| Self { bin: bin.to_path_buf(), major })
    }
}

/// A Redis server program: `redis-server`, or its fork `valkey-server`.
pub(crate) fn redis_server() -> Result<PathBuf, PrivateError> {
    let found = ["redis-server", "valkey-server"].into_iter().find_map(|program| in_path(program).next());
    found.ok_or(PrivateError::Missing { program: "redis-server", package: "redis-server", variable: "REDIS_URL" })
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Every file `program` in `PATH` and the usual places.
fn in_path(program: &str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).chain(EXTRA_PATHS.map(PathBuf::from)).collect();
    folders
        .into_iter()
        .filter(|folder| folder.is_absolute())
        .map(move |folder| folder.join(program))
        .filter(|p| p.is_file())
}

/// Folders that may hold Postgres's programs, best first. Links are followed: beside a linked `postgres` its
/// other programs may be missing.
fn postgres_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = in_path("postgres")
        .filter_map(|program| program.canonicalize().ok()?.parent().map(Path::to_path_buf))
        .collect();
    folders.extend(in_path("pg_config").next().and_then(|program| {
        let output = Command::new(program).arg("--bindir").output().ok()?;
        Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    }));
    let mut versions: Vec<(u32, PathBuf)> = POSTGRES_HOMES
        .iter()
        .filter_map(|home| fs::read_dir(home).ok())
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            let number = name.strip_prefix("postgresql@").or(name.strip_prefix("postgresql")).unwrap_or(name);
            Some((number.parse().ok()?, path.join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.extend(versions.into_iter().map(|(_, bin)| bin));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("no number"), None);
    }
}
