//! The keys that tokens may be signed with. Each key has exactly one algorithm (RFC 8725 section 3.1).

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use satchel_security::token_crypto::{self, is_usable};
use secrecy::{ExposeSecret, SecretString};

use super::jwks::{self, RSA_BYTES, Unfit};

/// The shortest HS256 secret, in bytes: the output length of the hash (RFC 7518 section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// What stands in the DER form of an RSA key beside its modulus, in bytes, at most.
const RSA_DER_BYTES: usize = 32;

/// So much may the issuer's clock and ours differ, in seconds.
pub(super) const LEEWAY_SECONDS: u64 = 30;

/// What a token must say about its origin.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The required `iss`.
    pub(crate) issuer: String,
    /// The required `aud`, or one of several.
    pub(crate) audience: String,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyFault {
    #[error("an HS256 secret must have at least {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
    #[error("key {0} is not a public RSA (2048 bits or more), P-256 or Ed25519 key in PEM form")]
    Pem(usize),
    #[error("the file is not a JWKS: {0}")]
    Syntax(String),
    #[error("key {0} is no usable public key: {1}")]
    Jwk(usize, &'static str),
    #[error("two keys have the same algorithm and name (kid), so a token could mean either")]
    Ambiguous,
    #[error("the file holds no key")]
    Empty,
}

/// One key.
pub(super) struct NamedKey {
    /// The `kid` of a key from a JWKS.
    id: Option<String>,
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
    /// What is asked of a token signed with this key.
    pub(super) validation: Validation,
}

/// All keys that are accepted.
pub(crate) struct TokenKeys {
    keys: Vec<NamedKey>,
    /// The HS256 secret before the current one.
    previous_secret: Option<NamedKey>,
    /// What was passed over in a JWKS, and why.
    skipped: Vec<String>,
    origin: Origin,
}

impl TokenKeys {
    /// No keys yet.
    pub(crate) fn new(origin: Origin) -> Self {
        token_crypto::install();
        Self { keys: Vec::new(), previous_secret: None, skipped: Vec::new(), origin }
    }

    /// Accepts HS256 by this secret.
    pub(crate) fn add_secret(&mut self, secret: &SecretString) -> Result<(), KeyFault> {
        let key = read_secret(secret)?;
        self.add(None, Algorithm::HS256, key)
    }

    /// Accepts HS256 by this secret as well: the one before the current one.
    pub(crate) fn add_previous_secret(&mut self, secret: &SecretString) -> Result<(), KeyFault> {
        self.previous_secret = Some(self.named(None, Algorithm::HS256, read_secret(secret)?));
        Ok(())
    }

    /// Accepts the public keys of a file's content: a JWKS (RFC 7517) if it begins like JSON, else PEM.
    pub(crate) fn add_public(&mut self, text: &str) -> Result<(), KeyFault> {
        if text.trim_start().starts_with('{') { self.add_jwks(text) } else { self.add_pem(text) }
    }

    /// The one key that a token with this header may be signed with. A token that names its key is
    /// checked by a key of that name only; one that does not needs its algorithm to have one key.
    pub(super) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Option<&NamedKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithm == algorithm)
            .filter(|key| id.is_none_or(|id| key.id.as_deref() == Some(id)));
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// The key to try where the signature is not of the one that [`Self::find`] gave.
    pub(super) fn previous(&self, algorithm: Algorithm) -> Option<&NamedKey> {
        self.previous_secret.as_ref().filter(|key| key.algorithm == algorithm)
    }

    /// The keys of a JWKS that were passed over, and why.
    pub(super) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    fn add_pem(&mut self, text: &str) -> Result<(), KeyFault> {
        let mut blocks = (1..).zip(pem_blocks(text)).peekable();
        if blocks.peek().is_none() {
            return Err(KeyFault::Empty);
        }
        for (number, block) in blocks {
            let (algorithm, key) = read_pem(block).ok_or(KeyFault::Pem(number))?;
            self.add(None, algorithm, key)?;
        }
        Ok(())
    }

    /// A key that cannot be used is passed over (RFC 7517 section 5), unless none is left.
    fn add_jwks(&mut self, text: &str) -> Result<(), KeyFault> {
        let mut none_used = KeyFault::Empty;
        let mut used = 0;
        for (number, key) in (1..).zip(jwks::read(text).map_err(KeyFault::Syntax)?) {
            match key {
                Ok(key) => {
                    self.add(key.id, key.algorithm, key.key)?;
                    used += 1;
                }
                Err(Unfit::OtherPurpose) => {}
                Err(Unfit::Secret(why)) => return Err(KeyFault::Jwk(number, why)),
                Err(Unfit::Unknown(why)) => {
                    self.skipped.push(format!("key {number}: {why}"));
                    none_used = KeyFault::Jwk(number, why);
                }
            }
        }
        if used == 0 { Err(none_used) } else { Ok(()) }
    }

    fn add(&mut self, id: Option<String>, algorithm: Algorithm, key: DecodingKey) -> Result<(), KeyFault> {
        if self.keys.iter().any(|known| known.algorithm == algorithm && known.id == id) {
            return Err(KeyFault::Ambiguous);
        }
        let key = self.named(id, algorithm, key);
        self.keys.push(key);
        Ok(())
    }

    fn named(&self, id: Option<String>, algorithm: Algorithm, key: DecodingKey) -> NamedKey {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.origin.issuer]);
        validation.set_audience(&[&self.origin.audience]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        NamedKey { id, key, algorithm, validation }
    }
}

/// The `-----BEGIN …` to `…-----END …-----` parts of a PEM file (RFC 7468).
fn pem_blocks(text: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<_> = text.match_indices("-----BEGIN ").map(|(at, _)| at).collect();
    let ends: Vec<_> = starts.iter().skip(1).copied().chain([text.len()]).collect();
    starts.into_iter().zip(ends).filter_map(move |(from, to)| text.get(from..to))
}

fn read_pem(block: &str) -> Option<(Algorithm, DecodingKey)> {
    // The library would read private keys and certificates as well.
    if !block.starts_with("-----BEGIN PUBLIC KEY-----") && !block.starts_with("-----BEGIN RSA PUBLIC KEY-----") {
        return None;
    }
    let pem = block.as_bytes();
    let rsa = || DecodingKey::from_rsa_pem(pem).map(|key| (Algorithm::RS256, key));
    let ec = || DecodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key));
    let ed = || DecodingKey::from_ed_pem(pem).map(|key| (Algorithm::EdDSA, key));
    let (algorithm, key) = rsa().or_else(|_| ec()).or_else(|_| ed()).ok()?;
    // The DER form of an RSA key is its modulus and a few bytes.
    let der_bytes = key.try_get_as_bytes().map_or(0, <[u8]>::len);
    let fits =
        algorithm != Algorithm::RS256 || (*RSA_BYTES.start()..=RSA_BYTES.end() + RSA_DER_BYTES).contains(&der_bytes);
    (fits && is_usable(algorithm, &key)).then_some((algorithm, key))
}

fn read_secret(secret: &SecretString) -> Result<DecodingKey, KeyFault> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(KeyFault::ShortSecret);
    }
    Ok(DecodingKey::from_secret(bytes))
}

#[cfg(test)]
mod tests;
