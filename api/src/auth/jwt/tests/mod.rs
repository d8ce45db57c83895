//! Attacks on tokens; each test says what must not get through.

mod claims;
mod signatures;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::keys::Origin;
use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const RSA_PUBLIC: &str = include_str!("../../../../fixtures/rsa.public.pem");
const RSA_PRIVATE: &str = include_str!("../../../../fixtures/rsa.private.pem");
const P256_PUBLIC: &str = include_str!("../../../../fixtures/p256.public.pem");
const P256_PRIVATE: &str = include_str!("../../../../fixtures/p256.private.pem");
const ED_PUBLIC: &str = include_str!("../../../../fixtures/ed25519.public.pem");
const ED_PRIVATE: &str = include_str!("../../../../fixtures/ed25519.private.pem");

fn keys() -> TokenKeys {
    TokenKeys::new(Origin { issuer: "satchel".into(), audience: "satchel".into() })
}

fn by_secret() -> TokenVerifier {
    let mut keys = keys();
    keys.add_secret(&SECRET.into()).unwrap();
    TokenVerifier::new(keys, None)
}

fn by_public_keys() -> TokenVerifier {
    let mut keys = keys();
    keys.add_public(&[RSA_PUBLIC, P256_PUBLIC, ED_PUBLIC].concat()).unwrap();
    TokenVerifier::new(keys, None)
}

fn now() -> u64 {
    satchel_security::token_crypto::install();
    get_current_timestamp()
}

fn claims() -> Value {
    json!({"sub": "game", "role": "service", "scope": "rewards:write other:scope",
           "iss": "satchel", "aud": "satchel", "exp": now() + 60})
}

/// Good claims but for one.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn hs256(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A token with a header that the library would not write, properly signed with the secret.
fn hs256_raw(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64_url(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |i| ALPHABET[(word >> (18 - 6 * i) & 63) as usize] as char)
    });
    digits.collect()
}

impl TokenVerifier {
    fn take(&self, token: &str) -> Result<Arc<Actor>, Refused> {
        let digest = Sha256::digest(token).into();
        self.remembered(&digest).map_or_else(|| self.verify(token, digest), Ok)
    }
}

fn assert_refused(verifier: &TokenVerifier, token: &str, why: &str) {
    assert!(verifier.take(token).is_err(), "{why}");
}
