//! Reads a JWKS (RFC 7517): the keys that tokens may be signed with, and why each of the others is none.

use std::ops::RangeInclusive;

use jsonwebtoken::{Algorithm, DecodingKey};
use satchel_security::token_crypto::is_usable;
use serde::Deserialize;
use serde_json::Value;

/// The shortest RSA modulus, in bytes (RFC 7518 section 3.3), and the longest one.
pub(super) const RSA_BYTES: RangeInclusive<usize> = 256..=1_024;

/// A key as it stands in the set.
pub(super) struct WebKeyRead {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Why a key of the set is none of ours.
pub(super) enum Unfit {
    /// It is for encryption: such keys may stand in the same set.
    OtherPurpose,
    /// It does not belong into a set of public keys at all.
    Secret(&'static str),
    /// Of a type, a curve or an algorithm that is not supported, or incomplete. Others of the set may be used.
    Unknown(&'static str),
}

/// Reads a set, key by key; an error is a text that is no set at all.
pub(super) fn read(text: &str) -> Result<impl Iterator<Item = Result<WebKeyRead, Unfit>>, String> {
    let set: WebKeySet = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(set.keys.into_iter().map(|key| {
        let key: WebKey = serde_json::from_value(key).map_err(|_| Unfit::Unknown("it has no kty, or odd members"))?;
        let (algorithm, decoding) = key.read()?;
        Ok(WebKeyRead { id: key.kid, algorithm, key: decoding })
    }))
}

#[derive(Deserialize)]
struct WebKeySet {
    keys: Vec<Value>,
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
    fn read(&self) -> Result<(Algorithm, DecodingKey), Unfit> {
        if self.d.is_some() {
            return Err(Unfit::Secret("it is a private key"));
        }
        if self.kty == "oct" {
            return Err(Unfit::Secret("a shared secret does not belong among public keys"));
        }
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err(Unfit::OtherPurpose);
        }
        let member = |member: &Option<String>| member.clone().ok_or(Unfit::Unknown("a member of it is missing"));
        let (name, algorithm, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (member(&self.n)?, member(&self.e)?);
                // Four characters of base64 are three bytes.
                if !RSA_BYTES.contains(&(n.len() * 3 / 4)) {
                    return Err(Unfit::Unknown("an RSA key must have 2048 to 8192 bits"));
                }
                ("RS256", Algorithm::RS256, DecodingKey::from_rsa_components(&n, &e))
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (member(&self.x)?, member(&self.y)?);
                ("ES256", Algorithm::ES256, DecodingKey::from_ec_components(&x, &y))
            }
            ("OKP", Some("Ed25519")) => ("EdDSA", Algorithm::EdDSA, DecodingKey::from_ed_components(&member(&self.x)?)),
            _ => return Err(Unfit::Unknown("kty and crv must be RSA, EC with P-256, or OKP with Ed25519")),
        };
        if self.alg.as_deref().is_some_and(|alg| alg != name) {
            return Err(Unfit::Unknown("alg must be RS256 for RSA, ES256 for P-256, EdDSA for Ed25519"));
        }
        let usable = key.ok().filter(|key| is_usable(algorithm, key)).map(|key| (algorithm, key));
        usable.ok_or(Unfit::Unknown("it cannot be read"))
    }
}
