//! The secret that an endpoint shares with Satchel, and signatures by it: Standard Webhooks,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";

/// 32 bytes that nobody else knows.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret([u8; Self::BYTES]);

/// A text that is no secret. It does not say which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {PREFIX} and {} bytes in base64", WebhookSecret::BYTES)]
pub struct InvalidWebhookSecret;

impl WebhookSecret {
    /// How many bytes it has.
    pub const BYTES: usize = 32;

    /// Of these bytes, which must be random.
    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// [`InvalidWebhookSecret`].
    pub fn parse(text: &str) -> Result<Self, InvalidWebhookSecret> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).ok_or(InvalidWebhookSecret)?);
        bytes.ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(InvalidWebhookSecret)
    }

    /// The text, for whoever verifies.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    /// The signature of a message, as it stands in `webhook-signature`: `v1,` and base64. The timestamp is in seconds.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        sign_by(&self.0, id, timestamp, body)
    }
}

fn sign_by(key: &[u8; WebhookSecret::BYTES], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new(&block(key).into());
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The key filled up with zeros to SHA-256's block, as HMAC itself does (RFC 2104 section 2).
fn block(key: &[u8; WebhookSecret::BYTES]) -> [u8; 64] {
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(filled, byte)| *filled = *byte);
    block
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_reference_does() {
        // The example of the specification's libraries; its key has 24 bytes, which zeros fill up.
        let mut key = [0; 32];
        key[..24].copy_from_slice(&STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let signature = sign_by(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn its_text_reads_back_and_is_not_shown() {
        let secret = WebhookSecret::new([7; 32]);
        assert_eq!(WebhookSecret::parse(&secret.reveal()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
        for odd in ["", "whsec_", "whsec_AAAA", "whsec_!", &secret.reveal()[6..]] {
            assert_eq!(WebhookSecret::parse(odd), Err(InvalidWebhookSecret), "{odd}");
        }
    }
}
