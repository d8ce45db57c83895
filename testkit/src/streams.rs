//! The queue's streams as someone with access to Redis sees and changes them.

use hmac::{Hmac, KeyInit, Mac};
use satchel_model::operations::Envelope;
use satchel_wire::envelope::{EnvelopeKey, SealedEnvelope};
use sha2::Sha256;

use crate::{ENVELOPE_KEY, RedisCommands, Satchel};

/// Adds an entry. KEYS[1]: the stream; ARGV: field, value in hexadecimal digits, field, … Returns its id.
/// (Command line arguments cannot hold all bytes, so the values are written as digits.)
const ADD: &str = "
    local fields = {}
    for i = 1, #ARGV, 2 do
        table.insert(fields, ARGV[i])
        table.insert(fields, (ARGV[i + 1]:gsub('..', function(digits) return string.char(tonumber(digits, 16)) end)))
    end
    return redis.call('XADD', KEYS[1], '*', unpack(fields))";

/// Copies every entry of KEYS[1] to the end of KEYS[2]. Returns how many there were.
const COPY: &str = "
    local entries = redis.call('XRANGE', KEYS[1], '-', '+')
    for _, entry in ipairs(entries) do redis.call('XADD', KEYS[2], '*', unpack(entry[2])) end
    return #entries";

/// The field ARGV[1] of the first entry of KEYS[1], in hexadecimal digits.
const FIELD: &str = "
    local fields = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][2]
    for i = 1, #fields, 2 do
        if fields[i] == ARGV[1] then
            return (fields[i + 1]:gsub('.', function(byte) return string.format('%02x', byte:byte()) end))
        end
    end";

/// Signs any body as of any version with the key of this Satchel, by the form that `satchel_wire::envelope` documents.
pub fn seal_as(satchel: &Satchel, version: u32, body: &[u8]) -> SealedEnvelope {
    let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    let installation = satchel.database.owner.run("SELECT installation_id FROM queue_state");
    let installation: uuid::Uuid = installation.parse().expect("a UUID");
    let key = keyed(ENVELOPE_KEY.as_bytes()).chain_update(b"satchel/installation\0").chain_update(installation);
    let mut mac = keyed(&key.finalize().into_bytes());
    mac.update(b"satchel/envelope\0");
    mac.update(&version.to_be_bytes());
    mac.update(body);
    SealedEnvelope { version, body: body.to_vec(), mac: mac.finalize().into_bytes().to_vec() }
}

/// Signs an envelope with the key of this Satchel.
pub fn seal(satchel: &Satchel, envelope: &Envelope) -> SealedEnvelope {
    let sealed = seal_by(ENVELOPE_KEY, envelope);
    seal_as(satchel, sealed.version, &sealed.body)
}

/// Signs an envelope with any key.
pub fn seal_by(key: &str, envelope: &Envelope) -> SealedEnvelope {
    EnvelopeKey::new(&key.into()).expect("a key long enough").seal(envelope)
}

impl RedisCommands {
    /// The streams that there are, of normal and of high jobs, in order.
    pub fn streams(&self) -> Vec<String> {
        let mut streams = self.keys();
        streams.retain(|key| [":jobs", ":high"].iter().any(|end| key.ends_with(&format!("}}{end}"))));
        streams
    }

    /// The streams that hold entries.
    pub fn busy_streams(&self) -> Vec<String> {
        let mut streams = self.streams();
        streams.retain(|stream| self.run(&["XLEN", stream]) != "0");
        streams
    }

    /// How many entries wait in all streams.
    pub fn waiting(&self) -> usize {
        self.streams().iter().map(|stream| self.run(&["XLEN", stream]).parse::<usize>().expect("a length")).sum()
    }

    /// How many jobs wait for their time.
    pub fn delayed(&self) -> usize {
        let delayed = self.keys().into_iter().filter(|key| key.ends_with(":delayed"));
        delayed.map(|key| self.run(&["ZCARD", &key]).parse::<usize>().expect("a length")).sum()
    }

    /// Whatever a finished job should not leave behind: all but streams without entries.
    pub fn leftovers(&self) -> Vec<String> {
        let streams = self.streams();
        let others = self.keys().into_iter().filter(|key| !streams.contains(key));
        let entries = self.busy_streams().into_iter().map(|stream| format!("entries in {stream}"));
        entries.chain(others).collect()
    }

    /// Adds an entry with these fields to a stream.
    pub fn add(&self, stream: &str, fields: &[(&str, &[u8])]) {
        let values: Vec<String> = fields.iter().map(|(_, value)| hex::encode(value)).collect();
        let mut command = vec!["EVAL", ADD, "1", stream];
        for ((name, _), value) in fields.iter().zip(&values) {
            command.extend([*name, value.as_str()]);
        }
        self.run(&command);
    }

    /// Adds a signed envelope.
    pub fn add_sealed(&self, stream: &str, sealed: &SealedEnvelope) {
        let version = sealed.version.to_string();
        self.add(stream, &[("v", version.as_bytes()), ("body", &sealed.body), ("mac", &sealed.mac)]);
    }

    /// Copies all entries of one stream to the end of another, or of itself.
    pub fn copy_entries(&self, from: &str, to: &str) {
        self.run(&["EVAL", COPY, "2", from, to]);
    }

    /// The first entry of a stream.
    pub fn first_sealed(&self, stream: &str) -> SealedEnvelope {
        let field = |name| hex::decode(self.run(&["EVAL", FIELD, "1", stream, name])).expect("digits");
        let version = String::from_utf8(field("v")).expect("text").parse().expect("a version");
        SealedEnvelope { version, body: field("body"), mac: field("mac") }
    }

    /// Every key of Satchel's but those that are always there: whose Redis it is, and what each shard has had.
    fn keys(&self) -> Vec<String> {
        // KEYS, not SCAN: a test's Redis is small, and one answer is one moment.
        let answers = self.run_everywhere(&["KEYS", "satchel:*"]);
        let lines = answers.iter().flat_map(|answer| answer.lines());
        let is_lasting = |line: &str| line.ends_with(":installation") || line.ends_with(":watermark");
        let mut keys: Vec<String> =
            lines.filter(|line| !line.is_empty() && !is_lasting(line)).map(ToOwned::to_owned).collect();
        keys.sort();
        keys
    }
}
