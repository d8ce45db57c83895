//! The settings of one `satchel dev`, kept in `dev.env` for the next start and for the tools beside it.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context, Result};
use satchel_store::Program;
use secrecy::ExposeSecret;

use super::directory::DataDir;
use crate::dev_env::{self, FILE};
use crate::environment::Environment;

/// Made once if the environment does not give them.
const SECRETS: [&str; 6] = [
    "SATCHEL_ENVELOPE_KEY",
    "SATCHEL_JWT_SECRET",
    "SATCHEL_LEDGER_KEY",
    "SATCHEL_SECRETS_KEY",
    PASSWORDS[0],
    PASSWORDS[1],
];
/// Made for a private Postgres only: roles of others are not ours to change.
const PASSWORDS: [&str; 2] = [Program::Api.password_setting(), Program::Worker.password_setting()];
const SECRET_BYTES: usize = 32;

/// What is kept besides the secrets.
const KEPT: [&str; 14] = [
    "DATABASE_URL",
    "REDIS_CA_FILE",
    "REDIS_CERT_FILE",
    "REDIS_KEY_FILE",
    "REDIS_URL",
    "SATCHEL_REDIS_CLUSTER",
    "SATCHEL_ALLOW_OWNER_LOGIN",
    "SATCHEL_API_ADDR",
    "SATCHEL_DATABASE_ROLE",
    "SATCHEL_JWT_AUDIENCE",
    "SATCHEL_JWT_ISSUER",
    "SATCHEL_OWNER_DATABASE_URL",
    "SATCHEL_WORKER_DATABASE_ROLE",
    "SATCHEL_WORKER_DATABASE_URL",
];

/// Which of the servers in the file are private ones: `postgres`, `redis`, both or none.
pub(super) const PRIVATE: &str = "SATCHEL_DEV_PRIVATE";

/// This process's environment, completed with the secrets, which come from the environment, else from the last
/// run, else from chance.
pub(super) fn prepare(directory: &DataDir) -> Result<Environment> {
    let path = directory.path().join(FILE);
    let last = match fs::read_to_string(&path) {
        Ok(text) => dev_env::parse(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => Environment::default(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut environment = Environment::process();
    forget_private(&mut environment, &last);
    let postgres_given = environment.names("DATABASE_URL");
    for name in SECRETS.into_iter().filter(|name| !(postgres_given && PASSWORDS.contains(name))) {
        let mut env = environment.reader();
        let given = env.optional_secret(name).map(|secret| secret.expose_secret().to_owned());
        env.finish()?;
        let value = match given.or_else(|| last.get(name).map(str::to_owned)) {
            Some(value) => value,
            None => random_secret()?,
        };
        environment.set(name, value);
    }
    Ok(environment)
}

/// A shell that has read `dev.env` names our own private servers of the last run. They are not given from outside.
fn forget_private(environment: &mut Environment, last: &Environment) {
    let private = last.get(PRIVATE).unwrap_or_default();
    let ours = |name: &str| environment.get(name).is_some() && environment.get(name) == last.get(name);
    let (postgres, redis) = (ours("DATABASE_URL"), ours("REDIS_URL"));
    if private.contains("postgres") && postgres {
        environment.remove("DATABASE_URL");
        environment.remove("SATCHEL_OWNER_DATABASE_URL");
        environment.remove("SATCHEL_WORKER_DATABASE_URL");
    }
    if private.contains("redis") && redis {
        environment.remove("REDIS_URL");
    }
}

/// Keeps the settings for the next start.
pub(super) fn write(directory: &DataDir, environment: &Environment) -> Result<()> {
    let kept = |name: &str| SECRETS.contains(&name) || KEPT.contains(&name) || name == PRIVATE;
    dev_env::write(directory.path(), environment.iter().filter(|(name, value)| kept(name) && !value.is_empty()))
}

fn random_secret() -> Result<String> {
    let mut bytes = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no randomness to give: {error}"))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_written_is_read_again_by_us_and_by_a_shell() {
        let dir = tempfile::tempdir().unwrap();
        let directory = DataDir::open(dir.path()).unwrap();
        let mut environment = Environment::default();
        environment.set("DATABASE_URL", "postgres://o'brien:$PW `x` \"y\" = z@h/db");
        environment.set("HOME", "/not/kept");
        write(&directory, &environment).unwrap();

        let file = dir.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let read = dev_env::read(dir.path()).unwrap();
        assert_eq!(read.get("DATABASE_URL"), environment.get("DATABASE_URL"));
        assert_eq!(read.get("HOME"), None);
        let script = format!(". '{}'; printf %s \"$DATABASE_URL\"", file.display());
        let shell = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(Some(String::from_utf8(shell.stdout).unwrap().as_str()), environment.get("DATABASE_URL"));
    }

    #[test]
    fn private_servers_of_the_last_run_do_not_count_as_given() {
        let mut last = Environment::default();
        last.set("DATABASE_URL", "postgres://last");
        last.set("REDIS_URL", "redis://given");
        last.set(PRIVATE, "postgres");
        let mut environment = last.clone();
        forget_private(&mut environment, &last);
        assert_eq!(environment.get("DATABASE_URL"), None);
        assert_eq!(environment.get("REDIS_URL"), Some("redis://given"));
    }
}
