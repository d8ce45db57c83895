//! A job on its way: signed by the API, verified by the worker, which trusts nothing else, neither in Redis nor of what
//! waits in Postgres.
//!
//! A stream entry has the fields `v` (version), `body` (JSON) and `mac` (HMAC-SHA256, RFC 2104, over a
//! domain tag, the version and the body). The body carries everything that the worker decides by.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;
use uuid::Uuid;

use satchel_forms::{Faults, Node, Pointer};
use satchel_model::access::Actor;
use satchel_model::ids::ReplicaId;
use satchel_model::ids::{JobId, RequestId};
use satchel_model::installation::Installation;
use satchel_model::operations::Envelope;
use satchel_model::operations::{Submission, Work};
use satchel_settings::Env;

/// The envelope's form. A worker that meets a higher one leaves it to a newer worker; lower ones are read as well.
/// 2: jobs with priority and delay, journaled envelopes. 3: quiet jobs.
pub const VERSION: u32 = 3;

/// An envelope's signed bytes, as they stand in the stream, or beside a row of Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEnvelope {
    /// The field `v`.
    pub version: u32,
    /// The field `body`.
    pub body: Vec<u8>,
    /// The field `mac`.
    pub mac: Vec<u8>,
}

/// Why a stream entry is not taken for a job.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nobody with the key wrote it, or it was changed since.
    #[error("the signature does not fit")]
    Signature,
    /// Signed, but of a form or with a job that a newer program made.
    #[error("{0} is not known to this worker")]
    Newer(String),
    /// Signed, but not of an envelope's form.
    #[error("the body is no envelope: {0}")]
    Shape(#[source] serde_json::Error),
    /// Signed, but the job in it is not valid.
    #[error("the job is not valid: {0}")]
    Job(#[from] Faults),
}

/// A key of the wrong length.
#[derive(Debug, thiserror::Error)]
#[error("an envelope key must have at least {} bytes", EnvelopeKey::MIN_BYTES)]
pub struct WeakKey;

/// The key that the API signs with and the worker verifies with.
#[derive(Clone)]
pub struct EnvelopeKey(Hmac<Sha256>);

impl EnvelopeKey {
    /// The shortest key, in bytes: the output length of the hash (RFC 2104 section 3).
    pub const MIN_BYTES: usize = 32;

    /// Makes a key of a secret text.
    ///
    /// # Errors
    /// [`WeakKey`] if it is too short.
    pub fn new(secret: &SecretString) -> Result<Self, WeakKey> {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < Self::MIN_BYTES {
            return Err(WeakKey);
        }
        Hmac::new_from_slice(bytes).map(Self).map_err(|_| WeakKey)
    }

    /// Reads a key that must be given. If it is not, or is too short, that is a fault, which ends the start; the key
    /// is then a useless one.
    pub fn from_env(env: &mut Env, name: &str) -> Self {
        let secret = env.secret(name);
        if secret.expose_secret().is_empty() {
            // Noted as missing already.
            return Self::useless();
        }
        Self::new(&secret).map_err(|error| env.fault(name, error)).unwrap_or_else(|()| Self::useless())
    }

    /// Reads a key that need not be given.
    pub fn optional_from_env(env: &mut Env, name: &str) -> Option<Self> {
        env.optional_secret(name).and_then(|secret| Self::new(&secret).map_err(|error| env.fault(name, error)).ok())
    }

    /// The key of one installation: what it signs is worth nothing in another one that has the same secret.
    #[must_use]
    pub fn of_installation(&self, installation: &Installation) -> Self {
        let mac = self.0.clone().chain_update(b"satchel/installation\0").chain_update(installation.id);
        let mut block = [0; 64];
        for (byte, of_mac) in block.iter_mut().zip(mac.finalize().into_bytes()) {
            *byte = of_mac;
        }
        Self(Hmac::new(&block.into()))
    }

    /// 32 bytes for a purpose of their own, which say nothing about the key.
    #[must_use]
    pub fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(purpose).chain_update(b"\0").finalize().into_bytes().into()
    }

    /// A key that nobody knows.
    fn useless() -> Self {
        let mut bytes = [0; 64];
        for part in bytes.chunks_exact_mut(16) {
            part.copy_from_slice(Uuid::now_v7().as_bytes());
        }
        Self(Hmac::new(&bytes.into()))
    }

    /// Signs an envelope.
    #[must_use]
    pub fn seal(&self, envelope: &Envelope) -> SealedEnvelope {
        self.seal_body(envelope.body())
    }

    /// Signs a body as of [`VERSION`], whatever it holds.
    #[must_use]
    pub fn seal_body(&self, body: String) -> SealedEnvelope {
        let mac = self.sign(&body);
        SealedEnvelope { version: VERSION, body: body.into_bytes(), mac }
    }

    /// The MAC of an envelope's body as this program writes it: of [`VERSION`].
    #[must_use]
    pub fn sign(&self, body: &str) -> Vec<u8> {
        self.mac(VERSION, body.as_bytes()).finalize().into_bytes().to_vec()
    }

    /// Whether this key signed the entry; compared in constant time.
    fn signed(&self, sealed: &SealedEnvelope) -> bool {
        self.mac(sealed.version, &sealed.body).verify_slice(&sealed.mac).is_ok()
    }

    /// Signs a message between worker and API that is no job: its MAC, then the body.
    #[must_use]
    pub fn sign_message(&self, body: &[u8]) -> Vec<u8> {
        let mut message = self.message_mac(body).finalize().into_bytes().to_vec();
        message.extend_from_slice(body);
        message
    }

    /// The body of a message that this key signed; compared in constant time.
    #[must_use]
    pub fn open_message<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        let (mac, body) = message.split_first_chunk::<32>()?;
        self.message_mac(body).verify_slice(mac).is_ok().then_some(body)
    }

    fn message_mac(&self, body: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(b"satchel/message\0").chain_update(body)
    }

    fn mac(&self, version: u32, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(b"satchel/envelope\0");
        mac.update(&version.to_be_bytes());
        mac.update(body);
        mac
    }
}

impl std::fmt::Debug for EnvelopeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnvelopeKey(..)")
    }
}

/// Reads and validates a body. Who wrote it must be known otherwise: by its signature ([`SealedEnvelope::open`]), or
/// because this program did.
///
/// # Errors
/// [`OpenError`], never [`OpenError::Signature`].
pub fn parse_body(version: u32, body: &[u8]) -> Result<Envelope, OpenError> {
    if !(1..=VERSION).contains(&version) {
        return Err(OpenError::Newer(format!("envelope version {version}")));
    }
    let body: Body = serde_json::from_slice(body).map_err(OpenError::Shape)?;
    if let Some(name) = Submission::type_name(&body.job).filter(|name| !Work::NAMES.contains(name)) {
        return Err(OpenError::Newer(format!("job type {name}")));
    }
    let Submission { job, .. } = Submission::parse(body.job, Pointer::root().field("job"))?;
    Ok(Envelope {
        job_id: body.job_id,
        job,
        actor: body.actor,
        request_id: body.request_id,
        submitted_at: body.submitted_at,
        reply_to: body.reply_to,
        journaled: body.journaled,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    job_id: JobId,
    job: Node,
    actor: Actor,
    request_id: RequestId,
    submitted_at: DateTime<Utc>,
    reply_to: Option<ReplicaId>,
    #[serde(default)]
    journaled: bool,
}

impl SealedEnvelope {
    /// Verifies the signature by one of the keys, then reads and validates everything anew.
    ///
    /// # Errors
    /// [`OpenError`]; an entry is never half read.
    pub fn open<'k>(&self, keys: impl IntoIterator<Item = &'k EnvelopeKey>) -> Result<Envelope, OpenError> {
        if !keys.into_iter().any(|key| key.signed(self)) {
            return Err(OpenError::Signature);
        }
        parse_body(self.version, &self.body)
    }
}

#[cfg(test)]
mod tests {
    use crate::Fresh;
    use satchel_model::access::{Role, Scopes};
    use satchel_model::operations::{Job, SendEvent};

    use super::*;

    fn key(text: &str) -> EnvelopeKey {
        EnvelopeKey::new(&text.repeat(32).into()).unwrap()
    }

    fn envelope() -> Envelope {
        let text = br#"{"type":"reward_inventory_item","userId":"u1","items":["key"],"reason":"r"}"#;
        Envelope {
            job_id: JobId::from(Uuid::now_v7()),
            job: Submission::parse(Node::parse(text).unwrap(), Pointer::root()).unwrap().job,
            actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
            request_id: RequestId::random(),
            submitted_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            reply_to: Some(ReplicaId::random()),
            journaled: false,
        }
    }

    #[test]
    fn what_was_sealed_opens_to_the_same_envelope() {
        let envelope = envelope();
        assert_eq!(key("a").seal(&envelope).open(&[key("b"), key("a")]).unwrap(), envelope);
    }

    #[test]
    fn another_key_an_edited_body_and_an_edited_version_do_not_open() {
        let sealed = key("a").seal(&envelope());
        assert!(matches!(sealed.open(&[key("b")]), Err(OpenError::Signature)));
        let mut edited = sealed.clone();
        edited.body[20] ^= 1;
        assert!(matches!(edited.open(&[key("a")]), Err(OpenError::Signature)));
        let mut newer = sealed.clone();
        newer.version = VERSION + 1;
        assert!(matches!(newer.open(&[key("a")]), Err(OpenError::Signature)));
        let mut truncated = sealed;
        truncated.mac.pop();
        assert!(matches!(truncated.open(&[key("a")]), Err(OpenError::Signature)));
    }

    #[test]
    fn a_signed_body_that_is_no_valid_job_does_not_open() {
        let signer = key("a");
        for body in [&b"{}"[..], b"not json", br#"{"jobId":1}"#] {
            let mac = signer.mac(VERSION, body).finalize().into_bytes().to_vec();
            let sealed = SealedEnvelope { version: VERSION, body: body.to_vec(), mac };
            assert!(matches!(sealed.open(&[key("a")]), Err(OpenError::Shape(_))));
        }
    }

    #[test]
    fn a_signed_job_of_a_type_or_version_not_known_yet_waits_for_who_knows_it() {
        let signer = key("a");
        let body = String::from_utf8(signer.seal(&envelope()).body).unwrap().replace("reward_inventory_item", "fly");
        let mac = signer.mac(VERSION, body.as_bytes()).finalize().into_bytes().to_vec();
        let sealed = SealedEnvelope { version: VERSION, body: body.into_bytes(), mac };
        assert!(matches!(sealed.open(std::slice::from_ref(&signer)), Err(OpenError::Newer(_))));
        let mac = signer.mac(VERSION + 1, b"{}").finalize().into_bytes().to_vec();
        let sealed = SealedEnvelope { version: VERSION + 1, body: b"{}".to_vec(), mac };
        assert!(matches!(sealed.open(&[signer]), Err(OpenError::Newer(_))));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(EnvelopeKey::new(&"short".into()).is_err());
    }

    #[test]
    fn an_events_data_that_was_accepted_is_read_back_however_deep_it_is() {
        let event = |levels: usize| {
            let data = format!("{}{{}}{}", r#"{"a":"#.repeat(levels - 1), "}".repeat(levels - 1));
            let text = format!(r#"{{"id":"e","name":"a/b","userId":"u1","data":{data}}}"#);
            SendEvent::parse_event(Node::parse(text.as_bytes()).unwrap(), Pointer::root()).ok()
        };
        let accepted: Vec<Job> = (1..120).filter_map(event).collect();
        assert_eq!(accepted.len(), SendEvent::MAX_DATA_LEVELS);
        for job in accepted {
            let envelope = Envelope { job, ..envelope() };
            assert_eq!(key("a").seal(&envelope).open([&key("a")]).unwrap(), envelope);
        }
    }
}
