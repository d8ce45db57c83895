//! Reading streams.

use redis::{Cmd, Value};
use satchel_model::ids::Shard;
use satchel_model::operations::Priority;

use super::batch::Batch;
use super::connection::Connection;
use super::failure::no_answer;
use super::keys;
use crate::entry::EntryId;
use crate::{Entry, Place, QueueError};

const NORMAL: Place = Place::Stream(Priority::Normal);

/// A shard, and the last entries of each class that are not wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) shard: Shard,
    pub(super) normal: EntryId,
    pub(super) high: EntryId,
}

impl Start {
    /// At the beginning.
    pub(super) fn of(shard: Shard) -> Self {
        Self { shard, normal: EntryId::default(), high: EntryId::default() }
    }

    fn of_class(&self, class: Priority) -> EntryId {
        match class {
            Priority::Normal => self.normal,
            Priority::High => self.high,
        }
    }
}

/// The next entries of one stream.
pub(super) struct Run {
    pub(super) shard: Shard,
    pub(super) class: Priority,
    pub(super) entries: Vec<Entry>,
}

/// Reads the next entries of several shards of one server at one moment, at most `count` of each class and shard. If
/// there are none, waits up to `block_ms` for the first. Behind that, in the same round trip, the questions are asked.
///
/// Who waits is woken by the first entry that comes, and given the entries of its stream alone (Redis before 7.2). That
/// is no less right: the other streams were empty until then, and no command appends a later job before an earlier
/// one of the same player.
pub(super) async fn read(
    connection: &Connection,
    starts: &[Start],
    count: usize,
    block_ms: Option<u32>,
    questions: Vec<Cmd>,
) -> Result<(Vec<Run>, std::vec::IntoIter<Result<Value, QueueError>>), QueueError> {
    let mut batch = Batch::with_capacity(1 + questions.len());
    batch.add_keyless(xread(starts, count, block_ms));
    for question in questions {
        batch.add_keyless(question);
    }
    let mut answers = connection.run_each(batch).await?.into_iter();
    let runs = runs(answers.next().unwrap_or_else(|| Err(no_answer()))?, starts);
    Ok((runs, answers))
}

/// Like [`read`], but shard by shard, each with an answer of its own, and without waiting.
pub(super) async fn read_each(
    connection: &Connection,
    starts: &[Start],
    count: usize,
) -> Result<Vec<Result<Vec<Run>, QueueError>>, QueueError> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::default();
    for start in starts {
        batch.add(start.shard, xread(std::slice::from_ref(start), count, None));
    }
    let answers = connection.run_each(batch).await?;
    let answers = starts.iter().zip(answers);
    Ok(answers.map(|(start, answer)| answer.map(|answer| runs(answer, std::slice::from_ref(start)))).collect())
}

/// Reads normal entries of one shard onward.
pub(super) async fn read_normal(
    connection: &Connection,
    shard: Shard,
    from: EntryId,
    count: usize,
) -> Result<Vec<Entry>, QueueError> {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(count).arg("STREAMS").arg(keys::stream(shard, Priority::Normal)).arg(from.to_string());
    let answer: Value = connection.run(&command).await?;
    Ok(runs(answer, &[Start::of(shard)]).into_iter().flat_map(|run| run.entries).collect())
}

/// Fetches these normal entries, in this order; of those that are gone, nothing.
pub(super) async fn fetch(
    connection: &Connection,
    wanted: &[(Shard, EntryId)],
) -> Result<Vec<Option<Entry>>, QueueError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::default();
    for (shard, id) in wanted {
        let mut command = redis::cmd("XRANGE");
        command.arg(keys::stream(*shard, Priority::Normal)).arg(id.to_string()).arg(id.to_string());
        batch.add(*shard, command);
    }
    let answers = connection.run_each(batch).await?;
    wanted
        .iter()
        .zip(answers)
        .map(|((shard, _), answer)| match answer? {
            Value::Array(values) => Ok(values.into_iter().find_map(|value| entry(*shard, NORMAL, value))),
            _ => Ok(None),
        })
        .collect()
}

/// The command that deletes entries of a stream.
pub(super) fn delete(shard: Shard, class: Priority, ids: &[&str]) -> Cmd {
    let mut command = redis::cmd("XDEL");
    command.arg(keys::stream(shard, class)).arg(ids);
    command
}

fn xread(starts: &[Start], count: usize, block_ms: Option<u32>) -> Cmd {
    let mut command = redis::cmd("XREAD");
    command.arg("COUNT").arg(count);
    if let Some(block_ms) = block_ms {
        // 0 would mean for ever.
        command.arg("BLOCK").arg(block_ms.max(1));
    }
    command.arg("STREAMS");
    for (start, class) in streams_of(starts) {
        command.arg(keys::stream(start.shard, class));
    }
    for (start, class) in streams_of(starts) {
        command.arg(start.of_class(class).to_string());
    }
    command
}

fn streams_of(starts: &[Start]) -> impl Iterator<Item = (&Start, Priority)> {
    starts.iter().flat_map(|start| [(start, Priority::High), (start, Priority::Normal)])
}

/// Reads `[[key, [entry, …]], …]`, in the order asked for; nil if there are none.
fn runs(answer: Value, starts: &[Start]) -> Vec<Run> {
    let streams: Vec<(Value, Value)> = match answer {
        Value::Array(streams) => streams
            .into_iter()
            .filter_map(|stream| match stream {
                Value::Array(mut pair) if pair.len() == 2 => pair.pop().zip(pair.pop()).map(|(b, a)| (a, b)),
                _ => None,
            })
            .collect(),
        // RESP3 answers with a map.
        Value::Map(streams) => streams,
        _ => Vec::new(),
    };
    let mut asked = streams_of(starts);
    let mut runs = Vec::with_capacity(streams.len());
    for (key, values) in streams {
        let key = bytes(key).unwrap_or_default();
        let stream = asked.find(|(start, class)| keys::stream(start.shard, *class).as_bytes() == key);
        if let (Some((start, class)), Value::Array(values)) = (stream, values) {
            let entries =
                values.into_iter().filter_map(|value| entry(start.shard, Place::Stream(class), value)).collect();
            runs.push(Run { shard: start.shard, class, entries });
        }
    }
    runs
}

/// Reads `[id, [field, value, …]]`. Whatever is not bytes there is left out, so that one odd entry cannot
/// hide the others.
pub(super) fn entry(shard: Shard, place: Place, value: Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.into_iter();
    let id = String::from_utf8(bytes(parts.next()?)?).ok()?;
    let mut texts = match parts.next() {
        Some(Value::Array(texts)) => texts.into_iter(),
        _ => Vec::new().into_iter(),
    };
    let mut fields = Vec::with_capacity(texts.len() / 2);
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        fields.push((bytes(name).unwrap_or_default(), bytes(value).unwrap_or_default()));
    }
    Some(Entry::new(shard, place, id, fields))
}

pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}
