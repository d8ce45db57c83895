//! What a record says: JSON, hashed as it is stored. Whoever writes one writes it as [`NewBody::text`] does; readers take it as it is.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::RecordedChange;
use super::json_text::push_text;
use crate::ids::{JobId, RequestId, Uid, UserId};
use crate::operations::PayloadHash;

/// Who submitted a job, as its record says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum RecordedActor<'a> {
    /// Another user, who may be forgotten one day.
    User(Uid),
    /// `role:subject` of a service or an operator.
    Named(#[serde(borrow)] Cow<'a, str>),
}

/// A body that is to be written.
#[derive(Debug)]
pub struct NewBody<'a> {
    /// The job's canonical form: [`crate::operations::Job::canonical`].
    pub canonical: &'a str,
    /// Whose the job is.
    pub user_id: &'a UserId,
    /// Who submitted it; `None` for the user itself.
    pub actor: Option<RecordedActor<'a>>,
    /// The HTTP request that submitted it.
    pub request_id: &'a RequestId,
    /// When the API took it.
    pub submitted_at: DateTime<Utc>,
    /// The time by which it was decided.
    pub decided_at: DateTime<Utc>,
    /// The catalogue's version.
    pub catalogue_version: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// What it changed, in order.
    pub changes: &'a [RecordedChange],
    /// What it answered.
    pub result: &'a RawValue,
}

impl NewBody<'_> {
    /// Its JSON, without spaces, the members in the order of [`Body`]'s. Absent: `actor` where it is the user itself, `decidedAt` where
    /// it is `submittedAt`, `attempts` where it is 1, `changes` where there are none.
    #[must_use]
    pub fn text(&self) -> String {
        let result = self.result.get();
        let mut out = String::with_capacity(self.canonical.len() + result.len() + 192 + 64 * self.changes.len());
        out.push_str(r#"{"job":"#);
        push_without_user(&mut out, self.canonical, self.user_id);
        match &self.actor {
            None => {}
            // A String takes whatever is written.
            Some(RecordedActor::User(uid)) => drop(write!(out, r#","actor":{uid}"#)),
            Some(RecordedActor::Named(name)) => {
                out.push_str(r#","actor":"#);
                push_text(&mut out, name);
            }
        }
        out.push_str(r#","requestId":"#);
        push_text(&mut out, self.request_id.as_str());
        let _ = write!(out, r#","submittedAt":{}"#, self.submitted_at.timestamp_micros());
        if self.decided_at != self.submitted_at {
            let _ = write!(out, r#","decidedAt":{}"#, self.decided_at.timestamp_micros());
        }
        let _ = write!(out, r#","catalogue":{}"#, self.catalogue_version);
        if self.attempts != 1 {
            let _ = write!(out, r#","attempts":{}"#, self.attempts);
        }
        push_changes(&mut out, self.changes);
        out.push_str(r#","result":"#);
        out.push_str(result);
        out.push('}');
        out
    }

    /// What the record of another party says: that the job of this id has changed something of it as well.
    #[must_use]
    pub fn text_of_party(&self, job_id: JobId) -> String {
        let mut out = format!(r#"{{"jobId":"{job_id}","catalogue":{}"#, self.catalogue_version);
        let _ = write!(out, r#","decidedAt":{}"#, self.decided_at.timestamp_micros());
        push_changes(&mut out, self.changes);
        out.push('}');
        out
    }
}

/// A body, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body<'a> {
    /// The job's canonical form without its member `userId`; absent in another party's record.
    #[serde(borrow)]
    pub job: Option<&'a RawValue>,
    /// The job, in another party's record.
    pub job_id: Option<JobId>,
    /// Who submitted it; `None` for the user itself.
    #[serde(borrow)]
    pub actor: Option<RecordedActor<'a>>,
    /// The HTTP request that submitted it.
    #[serde(borrow, default)]
    pub request_id: Cow<'a, str>,
    /// When the API took it, in microseconds since 1970.
    #[serde(default)]
    pub submitted_at: i64,
    /// The time by which it was decided, likewise, if it is another one.
    pub decided_at: Option<i64>,
    /// The catalogue's version; 0 for a job that nobody decided.
    #[serde(default)]
    pub catalogue: i64,
    /// How often it was tried.
    #[serde(default = "once")]
    pub attempts: i32,
    /// The SHA-256 of the job's canonical form in hexadecimal, where the record lacks that form.
    #[serde(borrow)]
    pub payload_hash: Option<Cow<'a, str>>,
    /// What it changed, in order.
    #[serde(default)]
    pub changes: Vec<RecordedChange>,
    /// What it answered; absent in another party's record.
    #[serde(borrow)]
    pub result: Option<&'a RawValue>,
}

fn once() -> i32 {
    1
}

/// A body that this program cannot read.
#[derive(Debug, thiserror::Error)]
#[error("a record's body cannot be read: {0}")]
pub struct BodyError(#[from] serde_json::Error);

/// The part of a job that histories show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct JobPart<'a> {
    #[serde(borrow, rename = "type", default)]
    pub(super) job_type: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) reason: Option<Cow<'a, str>>,
}

impl<'a> Body<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// If it is not of a body's form.
    pub fn parse(text: &'a str) -> Result<Self, BodyError> {
        Ok(serde_json::from_str(text)?)
    }

    /// The job's type; empty in another party's record.
    ///
    /// # Errors
    /// If the job is not of a job's form.
    pub fn job_type(&self) -> Result<Cow<'a, str>, BodyError> {
        Ok(self.job_part()?.job_type)
    }

    /// Why, in the submitter's words.
    ///
    /// # Errors
    /// If the job is not of a job's form.
    pub fn reason(&self) -> Result<Option<Cow<'a, str>>, BodyError> {
        Ok(self.job_part()?.reason)
    }

    pub(super) fn job_part(&self) -> Result<JobPart<'a>, BodyError> {
        Ok(self.job.map(|job| serde_json::from_str(job.get())).transpose()?.unwrap_or_default())
    }

    /// Who submitted the job: `role:subject`, of a user of this name.
    #[must_use]
    pub fn actor_of(&self, user_id: &UserId) -> String {
        match &self.actor {
            None => format!("player:{user_id}"),
            Some(RecordedActor::User(uid)) => format!("player:#{uid}"),
            Some(RecordedActor::Named(name)) => name.clone().into_owned(),
        }
    }

    /// What exactly was asked.
    #[must_use]
    pub fn payload_hash(&self, user_id: &UserId) -> PayloadHash {
        if let Some(text) = &self.payload_hash {
            let mut hash = [0; 32];
            // One that cannot be read is nobody's.
            return hex::decode_to_slice(&**text, &mut hash).map_or(PayloadHash([0; 32]), |()| PayloadHash(hash));
        }
        let members = self.job.and_then(|job| job.get().strip_prefix('{')).unwrap_or_default();
        PayloadHash::of(&format!(r#"{{"userId":"{user_id}",{members}"#))
    }
}

/// Puts a job's canonical form behind `out`, without the member that it begins with: whose it is.
fn push_without_user(out: &mut String, canonical: &str, user_id: &UserId) {
    out.push('{');
    // `{"userId":"` and `",` around the id, which needs no escapes.
    let behind_user = r#"{"userId":""#.len() + user_id.as_str().len() + r#"","#.len();
    out.push_str(canonical.get(behind_user..).unwrap_or("}"));
}

fn push_changes(out: &mut String, changes: &[RecordedChange]) {
    if changes.is_empty() {
        return;
    }
    out.push_str(r#","changes":["#);
    for (index, change) in changes.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        change.push(out);
    }
    out.push(']');
}
