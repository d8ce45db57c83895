//! The data directory of a private Postgres: making it once, and opening it only with its own version.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use secrecy::SecretString;

use super::{OWNER, SUPERUSER, leftover};
use crate::account::Account;
use crate::error::{Doing, PrivateError};
use crate::files;
use crate::programs::PostgresPrograms;

/// Kept inside the data, so that they live and go together. The owner's is made with the owner.
const SUPERUSER_PASSWORD_FILE: &str = "postgres.password";
const OWNER_PASSWORD_FILE: &str = "satchel_owner.password";

/// An existing data directory, and all that is needed to serve it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) data: PathBuf,
    pub(crate) programs: PostgresPrograms,
    pub(crate) account: Account,
    /// Whom nothing of Satchel logs in as; in data from before there was one, the owner.
    pub(crate) superuser: Login,
    /// Who owns the databases, and is no superuser.
    pub(crate) owner: Login,
}

/// A role and its password.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) role: &'static str,
    pub(crate) password: SecretString,
}

impl Login {
    fn read(role: &'static str, file: &Path) -> Result<Self, PrivateError> {
        let password = fs::read_to_string(file).doing(|| format!("cannot read {}", file.display()))?;
        Ok(Self { role, password: password.into() })
    }
}

impl Cluster {
    /// Opens `<dir>/postgres`, or makes it. A server left running on it is stopped.
    pub(crate) fn open_or_create(dir: &Path) -> Result<Self, PrivateError> {
        let data = dir.join("postgres");
        let account = Account::of(&data)?;
        let version_file = data.join("PG_VERSION");
        let version = match fs::read_to_string(&version_file) {
            Ok(text) => text.trim().parse().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).doing(|| format!("cannot read {}", version_file.display())),
        };
        let programs = PostgresPrograms::find(version)?;
        if let Some(major) = version.filter(|major| *major != programs.major) {
            return Err(PrivateError::OtherVersion { dir: data, data: major, installed: programs.major });
        }
        let account = if version.is_some() {
            leftover::end(&data)?;
            account.reaching(&data)?
        } else {
            create(dir, &data, &programs, account)?
        };
        let owner = Login::read(OWNER, &data.join(OWNER_PASSWORD_FILE))?;
        let file = data.join(SUPERUSER_PASSWORD_FILE);
        let superuser = if file.exists() { Login::read(SUPERUSER, &file)? } else { owner.clone() };
        Ok(Self { data, programs, account, superuser, owner })
    }
}

/// Runs `initdb` beside the final place and moves the result there once it is whole, so that an interrupted one is
/// never taken for a database.
fn create(dir: &Path, data: &Path, programs: &PostgresPrograms, account: Account) -> Result<Account, PrivateError> {
    let new = dir.join("postgres.new");
    let password = dir.join("postgres.password");
    if new.exists() {
        fs::remove_dir_all(&new).doing(|| format!("cannot remove the unfinished {}", new.display()))?;
    }
    fs::create_dir(&new).doing(|| format!("cannot make {}", new.display()))?;
    account.own(&new)?;
    let account = account.reaching(&new)?;
    files::write_private(&password, &files::password()?)?;
    account.own(&password)?;
    initdb(&new, &password, programs, &account)?;
    let kept = new.join(SUPERUSER_PASSWORD_FILE);
    fs::rename(&password, kept).doing(|| format!("cannot move {}", password.display()))?;
    let owners = new.join(OWNER_PASSWORD_FILE);
    files::write_private(&owners, &files::password()?)?;
    account.own(&owners)?;
    fs::rename(&new, data).doing(|| format!("cannot move {} to {}", new.display(), data.display()))?;
    Ok(account)
}

/// `C.UTF-8` is not known everywhere (older macOS); `C` with UTF-8 text is.
fn initdb(data: &Path, password: &Path, programs: &PostgresPrograms, account: &Account) -> Result<(), PrivateError> {
    let mut said = String::new();
    for locale in ["C.UTF-8", "C"] {
        let output = try_initdb(data, password, locale, programs, account)?;
        if output.status.success() {
            return Ok(());
        }
        said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !said.contains("locale") {
            break;
        }
    }
    Err(PrivateError::Program { program: "initdb", output: said.trim().to_owned() })
}

fn try_initdb(
    data: &Path,
    password: &Path,
    locale: &str,
    programs: &PostgresPrograms,
    account: &Account,
) -> Result<Output, PrivateError> {
    let program = programs.path("initdb");
    let words = account.words(&program);
    let mut command = Command::new("/usr/bin/env");
    command.args(&words).arg("-D").arg(data).arg(format!("--pwfile={}", password.display()));
    command.args(["--encoding=UTF8", "--auth=scram-sha-256", "-U", SUPERUSER, &format!("--locale={locale}")]);
    command.env_clear().env("LC_ALL", "C").envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.current_dir("/").stdin(Stdio::null());
    account.apply(&mut command);
    command.output().doing(|| format!("cannot run {}", program.display()))
}
