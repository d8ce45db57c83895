//! The configuration file of a private Redis. It holds the password, so only its owner may read it.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::error::PrivateError;
use crate::files;

/// How much may wait: beyond it new jobs are refused, while the machine still has memory for everything else.
const MAX_MEMORY: &str = "4gb";

/// From which size on the log is rewritten. What waits is soon gone again: to rewrite it often, and to compress it, took a
/// quarter of the machine while a backlog was worked off.
const REWRITE_FROM: &str = "256mb";

/// What differs between private servers.
#[derive(Debug, Clone)]
pub(crate) struct Conf {
    pub(crate) port: u16,
    pub(crate) password: SecretString,
    /// Further lines.
    pub(crate) settings: Vec<String>,
}

/// Where Redis keeps its data.
pub(crate) fn data_dir(dir: &Path) -> PathBuf {
    dir.join("redis")
}

/// Where Redis writes its process id.
pub(crate) fn pid_file(data: &Path) -> PathBuf {
    data.join("redis.pid")
}

impl Conf {
    /// The port and password of the last start, if there was one; further settings are the caller's to give again.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let text = fs::read_to_string(dir.join("redis.conf")).ok()?;
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let (port, password) = (value("port")?.parse().ok()?, value("requirepass")?.to_owned().into());
        Some(Self { port, password, settings: Vec::new() })
    }

    /// Writes the file and returns its path. Every accepted job must survive a crash at once, hence `always`.
    pub(crate) fn write(&self, dir: &Path) -> Result<PathBuf, PrivateError> {
        let data = data_dir(dir);
        let text = format!(
            "bind 127.0.0.1\nport {}\nprotected-mode yes\nrequirepass {}\ndaemonize no\n\
             dir {}\npidfile {}\nlogfile \"\"\nsave \"\"\nappendonly yes\nappendfsync always\n\
             rdbcompression no\nauto-aof-rewrite-min-size {REWRITE_FROM}\n\
             maxmemory-policy noeviction\nmaxmemory {MAX_MEMORY}\n{}\n",
            self.port,
            self.password.expose_secret(),
            quoted(&data),
            quoted(&pid_file(&data)),
            self.settings.join("\n"),
        );
        let path = dir.join("redis.conf");
        files::write_private(&path, &text)?;
        Ok(path)
    }
}

/// A path as Redis's configuration syntax wants it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let settings = vec!["hz 20".to_owned()];
        let conf = Conf { port: 20_001, password: "secret".to_owned().into(), settings };
        let path = conf.write(dir.path()).unwrap();
        assert!(fs::read_to_string(path).unwrap().lines().any(|line| line == "hz 20"));
        let read = Conf::read(dir.path()).unwrap();
        assert_eq!((read.port, read.password.expose_secret()), (20_001, "secret"));
    }
}
