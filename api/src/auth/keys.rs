//! The keys that tokens may be signed with. Each key has exactly one algorithm (RFC 8725 section 3.1).

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The shortest HS256 secret, in bytes: the output length of the hash (RFC 7518 section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The shortest RSA modulus, in bytes (RFC 7518 section 3.3).
const MIN_RSA_BYTES: usize = 256;

/// So much may the issuer's clock and ours differ, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// What a token must say about its origin.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The required `iss`.
    pub(crate) issuer: String,
    /// The required `aud`, or one of several.
    pub(crate) audience: String,
}

/// Why a key cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
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
    origin: Origin,
}

impl TokenKeys {
    /// No keys yet.
    pub(crate) fn new(origin: Origin) -> Self {
        Self { keys: Vec::new(), origin }
    }

    /// Accepts HS256 by this secret.
    pub(crate) fn add_secret(&mut self, secret: &SecretString) -> Result<(), KeyFault> {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(KeyFault::ShortSecret);
        }
        self.add(None, Algorithm::HS256, DecodingKey::from_secret(bytes))
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

    fn add_jwks(&mut self, text: &str) -> Result<(), KeyFault> {
        let set: WebKeySet = serde_json::from_str(text).map_err(|error| KeyFault::Syntax(error.to_string()))?;
        let mut used = 0;
        for (number, key) in (1..).zip(set.keys) {
            if key.is_for_signatures() {
                let (algorithm, decoding) = key.read().map_err(|why| KeyFault::Jwk(number, why))?;
                self.add(key.kid, algorithm, decoding)?;
                used += 1;
            }
        }
        if used == 0 { Err(KeyFault::Empty) } else { Ok(()) }
    }

    fn add(&mut self, id: Option<String>, algorithm: Algorithm, key: DecodingKey) -> Result<(), KeyFault> {
        if self.keys.iter().any(|known| known.algorithm == algorithm && known.id == id) {
            return Err(KeyFault::Ambiguous);
        }
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.origin.issuer]);
        validation.set_audience(&[&self.origin.audience]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        self.keys.push(NamedKey { id, key, algorithm, validation });
        Ok(())
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
    let long_enough = algorithm != Algorithm::RS256 || key.try_get_as_bytes().ok()?.len() >= MIN_RSA_BYTES;
    (long_enough && is_usable(algorithm, &key)).then_some((algorithm, key))
}

/// Whether a verifier can be made of the key, which e.g. a point on another curve than P-256 does not allow.
fn is_usable(algorithm: Algorithm, key: &DecodingKey) -> bool {
    jsonwebtoken::crypto::verify("", b"", key, algorithm).is_ok()
}

#[derive(Deserialize)]
struct WebKeySet {
    keys: Vec<WebKey>,
}

/// The members of a JWK (RFC 7517, RFC 7518 section 6, RFC 8037) that matter here.
#[derive(Deserialize)]
struct WebKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Private keys have it.
    d: Option<serde::de::IgnoredAny>,
}

impl WebKey {
    /// Keys for encryption may stand in the same file.
    fn is_for_signatures(&self) -> bool {
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
    }

    fn read(&self) -> Result<(Algorithm, DecodingKey), &'static str> {
        if self.d.is_some() {
            return Err("it is a private key");
        }
        let member = |member: &Option<String>| member.clone().ok_or("a member of it is missing");
        let (name, algorithm, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (member(&self.n)?, member(&self.e)?);
                if n.len() < MIN_RSA_BYTES * 4 / 3 {
                    return Err("an RSA key must have at least 2048 bits");
                }
                ("RS256", Algorithm::RS256, DecodingKey::from_rsa_components(&n, &e))
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (member(&self.x)?, member(&self.y)?);
                ("ES256", Algorithm::ES256, DecodingKey::from_ec_components(&x, &y))
            }
            ("OKP", Some("Ed25519")) => ("EdDSA", Algorithm::EdDSA, DecodingKey::from_ed_components(&member(&self.x)?)),
            ("oct", _) => return Err("a shared secret does not belong among public keys"),
            _ => return Err("kty and crv must be RSA, EC with P-256, or OKP with Ed25519"),
        };
        if self.alg.as_deref().is_some_and(|alg| alg != name) {
            return Err("alg must be RS256 for RSA, ES256 for P-256, EdDSA for Ed25519");
        }
        key.ok().filter(|key| is_usable(algorithm, key)).map(|key| (algorithm, key)).ok_or("it cannot be read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> String {
        std::fs::read_to_string(format!("{}/fixtures/{name}.public.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn keys() -> TokenKeys {
        TokenKeys::new(Origin { issuer: "i".into(), audience: "a".into() })
    }

    fn public(text: &str) -> Result<TokenKeys, KeyFault> {
        let mut keys = keys();
        keys.add_public(text).map(|()| keys)
    }

    #[test]
    fn a_pem_file_may_hold_one_key_of_each_kind() {
        let keys = public(&[fixture("rsa"), fixture("p256"), fixture("ed25519")].concat()).unwrap();
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert!(keys.find(algorithm, None).is_some(), "{algorithm:?}");
            assert!(keys.find(algorithm, Some("k")).is_none(), "{algorithm:?}");
        }
        assert!(keys.find(Algorithm::HS256, None).is_none());
        assert!(keys.find(Algorithm::PS256, None).is_none());
    }

    #[test]
    fn weak_foreign_private_and_double_keys_are_refused() {
        assert_eq!(public(&fixture("rsa1024")).err(), Some(KeyFault::Pem(1)));
        assert_eq!(public(&fixture("secp256k1")).err(), Some(KeyFault::Pem(1)));
        let private = include_str!("../../fixtures/p256.private.pem");
        assert_eq!(public(&[&fixture("rsa"), private].concat()).err(), Some(KeyFault::Pem(2)));
        assert_eq!(public(&fixture("rsa").repeat(2)).err(), Some(KeyFault::Ambiguous));
        assert_eq!(public("nothing").err(), Some(KeyFault::Empty));
        assert_eq!(keys().add_secret(&"short".into()).err(), Some(KeyFault::ShortSecret));
    }

    #[test]
    fn a_jwks_key_must_be_what_it_says() {
        let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        let set = |members: &str| public(&format!(r#"{{"keys":[{{{members}}}]}}"#));
        let keys = set(&format!(r#"{ed},"kid":"k1","alg":"EdDSA","use":"sig""#)).unwrap();
        assert!(keys.find(Algorithm::EdDSA, Some("k1")).is_some());
        assert!(keys.find(Algorithm::EdDSA, None).is_some());
        assert!(keys.find(Algorithm::EdDSA, Some("k2")).is_none());
        assert!(keys.find(Algorithm::ES256, Some("k1")).is_none());
        assert_eq!(set(&format!(r#"{ed},"use":"enc""#)).err(), Some(KeyFault::Empty));
        for bad in [
            &format!(r#"{ed},"alg":"HS256""#),
            &format!(r#"{ed},"d":"x""#),
            r#""kty":"oct","k":"c2VjcmV0""#,
            r#""kty":"EC","crv":"P-384","x":"","y":"""#,
            r#""kty":"EC","crv":"P-256","x":"AA","y":"AA""#,
            r#""kty":"RSA","n":"AQAB","e":"AQAB""#,
            r#""kty":"RSA","e":"AQAB""#,
        ] {
            assert!(matches!(set(bad), Err(KeyFault::Jwk(1, _))), "{bad}");
        }
        assert!(matches!(public("{}"), Err(KeyFault::Syntax(_))));
    }

    #[test]
    fn two_named_keys_of_one_algorithm_need_the_name() {
        let key = |kid: &str| {
            format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"{kid}"}}"#
            )
        };
        let keys = public(&format!(r#"{{"keys":[{},{}]}}"#, key("a"), key("b"))).unwrap();
        assert!(keys.find(Algorithm::EdDSA, None).is_none());
        assert!(keys.find(Algorithm::EdDSA, Some("b")).is_some());
    }
}
