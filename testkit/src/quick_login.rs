//! Logins that cost no time: unoptimised programs would spend a fifth of the tests' time on the 4,096 rounds of hashing with which each
//! connection begins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::login::Psql;

const SALT: &[u8] = b"satchel-testkit!";

/// Has the server keep of each login's password what takes one round to compare.
pub(crate) fn make_quick(superuser: &Psql, logins: &[(&str, &str)]) {
    let statement = |(role, password): &(&str, &str)| format!("ALTER ROLE {role} PASSWORD '{}';", verifier(password));
    superuser.run(&logins.iter().map(statement).collect::<String>());
}

/// As Postgres keeps a password (RFC 5802 section 3, RFC 7677), with one round.
fn verifier(password: &str) -> String {
    let keyed = |key: &[u8], message: &[u8]| {
        let hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        hmac.chain_update(message).finalize().into_bytes()
    };
    let salted = keyed(password.as_bytes(), &[SALT, &1_u32.to_be_bytes()].concat());
    let stored = Sha256::digest(keyed(&salted, b"Client Key"));
    let server = keyed(&salted, b"Server Key");
    let [salt, stored, server] = [SALT, &stored, &server].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256$1:{salt}${stored}:{server}")
}
