//! How Satchel reads and writes times. It writes RFC 3339 in UTC with six digits of a second, always. As many digits as there happen to be
//! would change a text's length from time to time, and texts of times would not sort as the times do.

use chrono::{DateTime, Datelike, SecondsFormat, SubsecRound, Utc};
use serde::Serializer;

/// A text that is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time as in RFC 3339, e.g. 2026-01-31T12:00:00Z")]
pub struct InvalidTime;

/// Reads a time of RFC 3339, to the microsecond, as Postgres keeps it.
///
/// # Errors
/// [`InvalidTime`], also for what an offset leads out of the years that RFC 3339 can write: nobody could read it again.
pub fn parse(text: &str) -> Result<DateTime<Utc>, InvalidTime> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| InvalidTime)?.to_utc().trunc_subsecs(6);
    if (0..=9999).contains(&time.year()) { Ok(time) } else { Err(InvalidTime) }
}

/// What is written as a time, or as `null` if it is none.
pub trait Moment {
    /// The time.
    fn moment(&self) -> Option<DateTime<Utc>>;
}

impl Moment for DateTime<Utc> {
    fn moment(&self) -> Option<DateTime<Utc>> {
        Some(*self)
    }
}

impl Moment for Option<DateTime<Utc>> {
    fn moment(&self) -> Option<DateTime<Utc>> {
        *self
    }
}

/// The time as text, e.g. `2026-01-31T12:00:00.000000Z`.
#[must_use]
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// For fields: `#[serde(serialize_with = "moment::serialize")]`. Every time in an answer or a message is written by it.
///
/// # Errors
/// The serializer's.
pub fn serialize<M: Moment, S: Serializer>(time: &M, serializer: S) -> Result<S::Ok, S::Error> {
    match time.moment() {
        Some(time) => serializer.serialize_str(&text(time)),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn a_time_has_six_digits_whatever_they_are() {
        for (given, written) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
            ("2026-01-31T13:00:00.25+01:00", "2026-01-31T12:00:00.250000Z"),
            ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123456Z"),
        ] {
            let time: DateTime<Utc> = DateTime::parse_from_rfc3339(given).unwrap().to_utc();
            assert_eq!(text(time), written);
            assert_eq!(serialize(&time, serde_json::value::Serializer).unwrap(), written);
            assert_eq!(serialize(&Some(time), serde_json::value::Serializer).unwrap(), written);
        }
        assert!(serialize(&None, serde_json::value::Serializer).unwrap().is_null());
    }

    /// Places of times that are written in some other way.
    fn odd_fields(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let (mut attributes, mut is_written, mut odd) = (String::new(), false, Vec::new());
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.starts_with("#[") {
                attributes.push_str(line);
                continue;
            }
            if line.starts_with("struct ") || line.contains(" struct ") {
                is_written = attributes.contains("Serialize");
            } else if line == "}" {
                is_written = false;
            }
            let is_time = line.ends_with(": DateTime<Utc>,") || line.ends_with(": Option<DateTime<Utc>>,");
            let is_said = attributes.contains("moment::serialize") || attributes.contains("serde(skip)");
            if is_written && is_time && !is_said {
                odd.push(format!("{}:{}: {line}", path.display(), index + 1));
            }
            if !line.starts_with("//") {
                attributes.clear();
            }
        }
        odd
    }

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| match path.extension() {
                _ if path.is_dir() => sources(&path),
                Some(extension) if extension == "rs" => vec![path],
                _ => Vec::new(),
            })
            .collect()
    }

    #[test]
    fn every_field_with_a_time_is_written_by_this() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let crates = std::fs::read_dir(workspace.join("shared")).unwrap().map(|entry| entry.unwrap().path());
        let crates = crates.chain(["api", "worker", "cli"].map(|name| workspace.join(name)));
        let sources: Vec<PathBuf> = crates.flat_map(|path| sources(&path.join("src"))).collect();
        assert!(sources.len() > 100, "{sources:?}");
        let odd: Vec<String> = sources.iter().flat_map(|path| odd_fields(path)).collect();
        assert!(odd.is_empty(), "without serialize_with = \"moment::serialize\":\n{}", odd.join("\n"));
    }
}
