//! Secrets that lie in Postgres, sealed by a key that does not: AES-256-GCM (RFC 5116). Who reads the database reads no
//! secret, and who writes there can neither make one nor give one to another row.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

use satchel_settings::Env;

/// What a sealed text begins with. A number counts the ways of sealing.
const PREFIX: &str = "sealed1:";

/// The shortest key, in bytes.
const MIN_KEY_BYTES: usize = 32;

const CURRENT: &str = "SATCHEL_SECRETS_KEY";
const PREVIOUS: &str = "SATCHEL_SECRETS_KEY_PREVIOUS";

/// The key that seals, and the one before it, which still opens.
pub struct SealKeys {
    current: LessSafeKey,
    previous: Option<LessSafeKey>,
}

/// Why nothing was sealed or opened. It does not say what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The system has no randomness to give.
    #[error("the system has no randomness to give")]
    NoRandomness,
    /// Sealed by another key, for another place, or changed since.
    #[error("it was not sealed here by {CURRENT} or {PREVIOUS}")]
    Foreign,
}

/// What was sealed.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// The secret.
    pub text: String,
    /// Whether it is to be sealed anew, since the key before the current one did.
    pub is_of_previous: bool,
}

impl SealKeys {
    /// Reads `SATCHEL_SECRETS_KEY` and `SATCHEL_SECRETS_KEY_PREVIOUS`, at least 32 bytes each; `None` without the first.
    /// Faults are noted in `env`.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let current = env.optional_secret(CURRENT);
        let previous = env.optional_secret(PREVIOUS);
        let mut read = |name: &str, secret: SecretString| {
            let key = derive(&secret);
            if key.is_none() {
                env.fault(name, format!("must have at least {MIN_KEY_BYTES} bytes"));
            }
            key
        };
        let current = current.map(|secret| read(CURRENT, secret));
        let previous = previous.map(|secret| read(PREVIOUS, secret));
        if current.is_none() && previous.is_some() {
            env.fault(PREVIOUS, format!("is for a change of {CURRENT}, which is not given"));
        }
        Some(Self { current: current??, previous: previous.flatten() })
    }

    /// Seals a secret for `place`, where alone it can be opened.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn seal(&self, secret: &str, place: &str) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut bytes = secret.as_bytes().to_vec();
        let sealed =
            self.current.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut bytes);
        sealed.map_err(|_| SealError::NoRandomness)?;
        Ok(format!("{PREFIX}{}", STANDARD.encode([&nonce[..], &bytes].concat())))
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// [`SealError::Foreign`].
    pub fn open(&self, sealed: &str, place: &str) -> Result<Opened, SealError> {
        let coded = sealed.strip_prefix(PREFIX).ok_or(SealError::Foreign)?;
        let bytes = STANDARD.decode(coded).map_err(|_| SealError::Foreign)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Foreign)?;
        let by = |key: &LessSafeKey| {
            let mut bytes = sealed.to_vec();
            let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place), &mut bytes).ok()?;
            String::from_utf8(opened.to_vec()).ok()
        };
        if let Some(text) = by(&self.current) {
            return Ok(Opened { text, is_of_previous: false });
        }
        let text = self.previous.as_ref().and_then(by).ok_or(SealError::Foreign)?;
        Ok(Opened { text, is_of_previous: true })
    }
}

/// A key of AES from the setting's text (HKDF, RFC 5869), which need not be of random bytes all over.
fn derive(secret: &SecretString) -> Option<LessSafeKey> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_KEY_BYTES {
        return None;
    }
    let random = Salt::new(HKDF_SHA256, b"satchel secrets").extract(bytes);
    let key = random.expand(&[b"aes-256-gcm"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: &str, previous: &str) -> SealKeys {
        let variables = [(CURRENT, current), (PREVIOUS, previous)];
        let mut env = Env::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let keys = SealKeys::from_env(&mut env).unwrap();
        env.finish().unwrap();
        keys
    }

    const NEW: &str = "new-key-new-key-new-key-new-key-1";
    const OLD: &str = "old-key-old-key-old-key-old-key-1";

    #[test]
    fn a_secret_is_opened_in_its_place_by_its_key_alone() {
        let keys_now = keys(NEW, "");
        let sealed = keys_now.seal("whsec_x", "a").unwrap();
        assert!(!sealed.contains("whsec"));
        assert_ne!(sealed, keys_now.seal("whsec_x", "a").unwrap());
        assert_eq!(keys_now.open(&sealed, "a"), Ok(Opened { text: "whsec_x".into(), is_of_previous: false }));
        assert_eq!(keys_now.open(&sealed, "b"), Err(SealError::Foreign));
        assert_eq!(keys(OLD, "").open(&sealed, "a"), Err(SealError::Foreign));
        for odd in ["", "whsec_x", PREFIX, "sealed1:AAAA", &sealed[..sealed.len() - 4]] {
            assert_eq!(keys_now.open(odd, "a"), Err(SealError::Foreign), "{odd}");
        }
    }

    #[test]
    fn the_key_before_still_opens_and_says_so() {
        let sealed = keys(OLD, "").seal("whsec_x", "a").unwrap();
        assert_eq!(keys(NEW, OLD).open(&sealed, "a"), Ok(Opened { text: "whsec_x".into(), is_of_previous: true }));
    }

    #[test]
    fn a_short_key_and_a_previous_one_alone_are_faults() {
        for (name, value) in [(CURRENT, "short"), (PREVIOUS, OLD)] {
            let mut env = Env::of([(name.to_owned(), value.to_owned())]);
            assert!(SealKeys::from_env(&mut env).is_none());
            assert!(env.finish().unwrap_err().to_string().contains(name));
        }
    }
}
