//! What Postgres keeps of a password (RFC 5802 section 3, RFC 7677): made here, so that no statement holds the password
//! itself, which the server's log and statistics would show.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use secrecy::{ExposeSecret, SecretString};

/// As Postgres's own.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4_095);
const SALT_BYTES: usize = 16;

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoVerifier {
    /// Others would have to be normalised first (RFC 4013).
    #[error("the password must be of printable ASCII characters")]
    Characters,
    /// The system has no randomness to give.
    #[error("the system has no randomness to give")]
    NoRandomness,
}

/// The verifier, as `ALTER ROLE … PASSWORD` takes it. It has no quotes in it.
pub(crate) fn verifier(password: &SecretString) -> Result<String, NoVerifier> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt).map_err(|_| NoVerifier::NoRandomness)?;
    salted(password.expose_secret(), &salt)
}

fn salted(password: &str, salt: &[u8]) -> Result<String, NoVerifier> {
    if !password.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(NoVerifier::Characters);
    }
    let mut derived = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, password.as_bytes(), &mut derived);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &derived);
    let stored = digest::digest(&digest::SHA256, hmac::sign(&key, b"Client Key").as_ref());
    let server = hmac::sign(&key, b"Server Key");
    let [salt, stored, server] = [salt, stored.as_ref(), server.as_ref()].map(|bytes| STANDARD.encode(bytes));
    Ok(format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_what_postgres_would_make() {
        // Of the exchange in RFC 7677 section 3: user "user", password "pencil", 4096 iterations.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        assert_eq!(
            salted("pencil", &salt).unwrap(),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert_eq!(salted("päncil", &salt), Err(NoVerifier::Characters));
    }
}
