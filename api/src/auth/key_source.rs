//! Where the keys of tokens come from: a secret and the one before it, and a file of public keys that may change.

use std::time::Duration;

use actix_web::web::Data;
use satchel_settings::Env;
use satchel_tasks::{Backoff, Task};
use secrecy::SecretString;
use tokio::task::JoinError;

use super::Authenticator;
use super::keys::{KeyFault, Origin, TokenKeys};

const SECRET: &str = "SATCHEL_JWT_SECRET";
const PREVIOUS: &str = "SATCHEL_JWT_SECRET_PREVIOUS";
const FILE: &str = "SATCHEL_JWT_KEYS_FILE";

/// The file is read again this often, to see whether it has changed.
const PERIOD: Duration = Duration::from_secs(2);

/// A larger file is refused, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// See the module.
pub(crate) struct KeySource {
    origin: Origin,
    secret: Option<SecretString>,
    previous: Option<SecretString>,
    path: Option<String>,
    /// What the file held when it was last read, good or bad.
    text: Result<String, String>,
}

impl KeySource {
    /// Reads the settings and the file. Faults are noted in `env`.
    pub(crate) fn from_env(env: &mut Env) -> (Self, TokenKeys) {
        let satchel = || "satchel".to_owned();
        let issuer = env.or("SATCHEL_JWT_ISSUER", satchel());
        let audience = env.or("SATCHEL_JWT_AUDIENCE", satchel());
        let path: Option<String> = env.optional(FILE);
        let source = Self {
            origin: Origin { issuer, audience },
            secret: env.optional_secret(SECRET),
            previous: env.optional_secret(PREVIOUS),
            text: path.as_deref().map_or_else(|| Ok(String::new()), read),
            path,
        };
        if source.secret.is_none() && source.path.is_none() {
            env.fault(SECRET, format!("give it or {FILE}, else no token can be verified"));
        }
        if source.secret.is_none() && source.previous.is_some() {
            env.fault(PREVIOUS, format!("is for a change of {SECRET}, which is not given"));
        }
        let mut keys = TokenKeys::new(source.origin.clone());
        source.fill(&mut keys, |name, fault| env.fault(name, fault));
        (source, keys)
    }

    /// Adds all keys; each fault goes to `fault` with the setting's name.
    fn fill(&self, keys: &mut TokenKeys, mut fault: impl FnMut(&str, String)) {
        if let Some(Err(error)) = self.secret.as_ref().map(|secret| keys.add_secret(secret)) {
            fault(SECRET, error.to_string());
        }
        if let Some(Err(error)) = self.previous.as_ref().map(|secret| keys.add_previous_secret(secret)) {
            fault(PREVIOUS, error.to_string());
        }
        let Some(path) = &self.path else { return };
        let added =
            self.text.clone().and_then(|text| keys.add_public(&text).map_err(|error: KeyFault| error.to_string()));
        if let Err(error) = added {
            fault(FILE, format!("{path}: {error}"));
        }
    }
}

/// Gives the authenticator new keys whenever the file has changed. A file that cannot be used changes nothing but the log.
pub(crate) struct KeyReload {
    path: String,
    source: KeySource,
    authenticator: Data<Authenticator>,
}

impl Task for KeyReload {
    const NAME: &'static str = "key_reload";
    type Error = JoinError;

    async fn round(&mut self) -> Result<Duration, JoinError> {
        let file = self.path.clone();
        let text = tokio::task::spawn_blocking(move || read(&file)).await?;
        if text != self.source.text {
            self.source.text = text;
            self.change();
        }
        Ok(PERIOD)
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(PERIOD)
    }
}

impl KeyReload {
    /// `None` without a file.
    pub(crate) fn new(source: KeySource, authenticator: Data<Authenticator>) -> Option<Self> {
        Some(Self { path: source.path.clone()?, source, authenticator })
    }

    fn change(&self) {
        let mut keys = TokenKeys::new(self.source.origin.clone());
        let mut faults = Vec::new();
        self.source.fill(&mut keys, |name, fault| faults.push(format!("{name}: {fault}")));
        if faults.is_empty() {
            tracing::info!(file = self.path, "the keys of tokens have changed");
            self.authenticator.change_keys(keys);
        } else {
            tracing::error!(faults = faults.join("; "), "the keys of tokens stay as they were");
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("has {size} bytes, more than {MAX_FILE_BYTES}"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}
