//! Tokens as the configured issuer would sign them, and as an attacker would.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The HS256 secret of every API that the tests start.
pub const SECRET: &str = "test-secret-test-secret-test-secret!";
/// All scopes, as a token's claim.
pub const ALL_SCOPES: &str = "rewards:write items:use inventory:read events:write";

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// The claims of a good token.
pub fn claims(role: &str, subject: &str, scope: &str) -> Value {
    json!({
        "iss": "satchel", "aud": "satchel", "sub": subject, "role": role, "scope": scope,
        "iat": now(), "exp": now() + 3_600,
    })
}

/// A good token.
pub fn token(role: &str, subject: &str, scope: &str) -> String {
    sign(&claims(role, subject, scope))
}

/// Any claims, signed with the right secret.
pub fn sign(claims: &Value) -> String {
    sign_with(&Header::new(Algorithm::HS256), claims, SECRET.as_bytes())
}

/// Any claims under any header, signed with any secret.
pub fn sign_with(header: &Header, claims: &Value, secret: &[u8]) -> String {
    satchel_security::token_crypto::install();
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret)).expect("a token")
}
