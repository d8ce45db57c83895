//! The account that Postgres runs as: our own, or another one if we are root, which Postgres refuses.

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User};

use crate::error::{Doing, PrivateError};

/// Linux capabilities that let one process pass directories closed to it, the lesser first. They are given as
/// ambient capabilities (capabilities(7)) to that process alone, so no directory's mode is changed.
const PASSING: [&str; 2] = ["dac_read_search", "dac_override"];

/// Who a server runs as, and how that account reaches its directory.
#[derive(Debug, Clone)]
pub(crate) enum Account {
    /// We are not root: as ourselves.
    Own,
    /// We are root: as this other account.
    Other { uid: Uid, gid: Gid, name: String, capability: Option<&'static str> },
}

impl Account {
    /// The account for a data directory: its owner if it exists, else `postgres`, else `nobody`.
    pub(crate) fn of(dir: &Path) -> Result<Self, PrivateError> {
        let owner = dir.metadata().ok().map(|found| (Uid::from_raw(found.uid()), Gid::from_raw(found.gid())));
        if !Uid::effective().is_root() {
            return match owner {
                Some((uid, _)) if uid != Uid::effective() => {
                    Err(PrivateError::OtherOwner { dir: dir.to_path_buf(), uid: uid.as_raw() })
                }
                _ => Ok(Self::Own),
            };
        }
        if let Some((uid, gid)) = owner.filter(|(uid, _)| !uid.is_root()) {
            let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
            return Ok(Self::Other { uid, gid, name, capability: None });
        }
        let known = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = known.ok_or(PrivateError::NoAccount)?;
        Ok(Self::Other { uid: user.uid, gid: user.gid, name: user.name, capability: None })
    }

    /// Gives a file or directory to the account.
    pub(crate) fn own(&self, path: &Path) -> Result<(), PrivateError> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => chown(path, Some(uid.as_raw()), Some(gid.as_raw()))
                .doing(|| format!("cannot give {} to the user Postgres runs as", path.display())),
        }
    }

    /// Finds out by trying how the account gets into `dir`, which it owns.
    pub(crate) fn reaching(self, dir: &Path) -> Result<Self, PrivateError> {
        let Self::Other { uid, gid, name, .. } = self else { return Ok(self) };
        let mut said = Vec::new();
        for capability in [None].into_iter().chain(PASSING.map(Some)) {
            let candidate = Self::Other { uid, gid, name: name.clone(), capability };
            match candidate.enters(dir) {
                Ok(()) => return Ok(candidate),
                Err(why) => said.push(format!("{}: {why}", capability.unwrap_or("plainly"))),
            }
        }
        Err(PrivateError::Unreachable { dir: dir.to_path_buf(), user: name, detail: said.join("; ") })
    }

    /// The command that runs `program` as this account, through `setpriv` where a capability is needed.
    pub(crate) fn words(&self, program: &Path) -> Vec<OsString> {
        let mut words = Vec::new();
        if let Self::Other { uid, gid, capability: Some(capability), .. } = self {
            words.extend(["setpriv".into(), format!("--reuid={uid}").into(), format!("--regid={gid}").into()]);
            words.extend(["--clear-groups".into(), format!("--inh-caps=+{capability}").into()]);
            words.extend([format!("--ambient-caps=+{capability}").into(), "--".into()]);
        }
        words.push(program.into());
        words
    }

    /// Makes `command` start as this account where no `setpriv` does it.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Other { uid, gid, capability: None, .. } = self {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
    }

    fn enters(&self, dir: &Path) -> Result<(), String> {
        let words = self.words(Path::new("/bin/sh"));
        let (program, rest) = words.split_first().ok_or("no program")?;
        let mut command = Command::new(program);
        command.args(rest).args(["-c", "cd -- \"$1\"", "sh"]).arg(dir).current_dir("/").stdin(Stdio::null());
        self.apply(&mut command);
        let output = command.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
