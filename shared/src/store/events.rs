//! The record of what happened: events, in each shard in the order in which they were committed, without a gap.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use super::functions::claims::Claimed;
use super::stored::{self, Unreadable};
use super::{Pool, StoreError};
use crate::domain::{Emission, EventName, JobId, Shard, UserId};
use crate::events::{self, JobFacts};
use crate::jobs::{JobType, SendEvent};

/// An event to be added: [`super::progress::Progress::events`].
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its user's shard.
    pub shard: Shard,
    /// Whom it is about.
    pub user_id: UserId,
    /// What happened.
    pub name: Cow<'static, str>,
    /// The version of its data's form.
    pub version: i16,
    /// The job that brought it about.
    pub job_id: Option<JobId>,
    /// Its id; `None` for the job's.
    pub id: Option<String>,
    /// When it happened, as its sender says.
    pub occurred_at: Option<DateTime<Utc>>,
    /// What it tells; `None` for what the job's record says.
    pub data: Option<Box<RawValue>>,
}

impl NewEvent {
    /// The `nth` event, counted from 0, of a job. Events of a job after its first one are called `job id:nth`.
    #[must_use]
    pub fn of_job(shard: Shard, user_id: &UserId, job_id: JobId, nth: usize, emission: Emission) -> Self {
        let Emission { name, version, id, occurred_at, data } = emission;
        let id = id.or_else(|| (nth > 0).then(|| format!("{job_id}:{nth}")));
        Self { shard, user_id: user_id.clone(), name, version, job_id: Some(job_id), id, occurred_at, data }
    }
}

impl NewEvent {
    /// Of a function's run, about the user of its event.
    #[must_use]
    pub fn of_run(run: &Claimed, emission: Emission) -> Self {
        Self {
            shard: run.event.shard,
            user_id: run.user_id.clone(),
            name: emission.name,
            version: emission.version,
            job_id: None,
            id: Some(format!("{}:{}", run.run_id, run.attempts)),
            occurred_at: None,
            data: emission.data,
        }
    }
}

/// An event that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Unique among those of its `source`.
    pub id: String,
    /// What happened.
    pub name: EventName,
    /// The version of its data's form.
    pub version: i16,
    /// Who tells of it: `satchel`, or the `role:subject` that sent it.
    pub source: String,
    /// Whom it is about.
    pub user_id: UserId,
    /// When it was committed, by the database's clock.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub at: DateTime<Utc>,
    /// When it happened, as its sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::moment::serialize")]
    pub occurred_at: Option<DateTime<Utc>>,
    /// The job that brought it about.
    pub job_id: Option<JobId>,
    /// What it tells.
    pub data: Box<RawValue>,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// Where an event stands among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its user's shard.
    pub shard: Shard,
    /// Its number in the shard, from 1, without a gap.
    pub seq: i64,
}

/// Which events are meant; all that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this name.
    pub name: Option<EventName>,
    /// About this user, whose shard this is.
    pub user: Option<(UserId, Shard)>,
    /// At this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// Where a listing goes on: after this event, in the order of the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Where it stands.
    pub place: Place,
}

struct Row {
    shard: i32,
    seq: i64,
    user_id: String,
    name: String,
    version: i16,
    at: DateTime<Utc>,
    job_id: Option<Uuid>,
    id: Option<String>,
    occurred_at: Option<DateTime<Utc>>,
    data: Option<Json<Box<RawValue>>>,
    job_type: Option<String>,
    actor: Option<String>,
    request_id: Option<String>,
    submitted_at: Option<DateTime<Utc>>,
    result: Option<Json<Box<RawValue>>>,
}

/// A page of events, newest first. Where there is no name or user to go by, time is found by search; the others are
/// looked for on the way, so that a rare name in a long time takes long.
///
/// # Errors
/// If Postgres is away.
pub async fn page(pool: &Pool, filter: &Filter, after: Option<After>, limit: i64) -> Result<Vec<Event>, StoreError> {
    // The last event's moment is looked at again, for those that stand after it. It comes from outside: chrono may know
    // none later.
    let past = |moment: DateTime<Utc>| moment.checked_add_signed(TimeDelta::microseconds(1)).unwrap_or(moment);
    let until = filter.to.into_iter().chain(after.map(|after| past(after.at))).min();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT found.shard, found.seq, found.user_id, found.name, found.version, found.at, found.job_id, found.id,
                  found.occurred_at, found.data AS "data: Json<Box<RawValue>>", jobs.type AS "job_type?", jobs.actor AS "actor?",
                  jobs.request_id AS "request_id?", jobs.submitted_at AS "submitted_at?",
                  jobs.result AS "result?: Json<Box<RawValue>>"
           FROM (
               SELECT events.*
               FROM shard_counters
               CROSS JOIN LATERAL (
                   SELECT *
                   FROM events
                   WHERE events.shard = shard_counters.shard
                     AND seq >= CASE WHEN $3::timestamptz IS NULL THEN 0
                                     ELSE first_event_since(shard_counters.shard, $3) END
                     AND seq < CASE WHEN $4::timestamptz IS NULL THEN shard_counters.events + 1
                                    ELSE first_event_since(shard_counters.shard, $4) END
                     AND ($5::timestamptz IS NULL OR (at, shard, seq) < ($5, $6, $7))
                     AND ($1::text IS NULL OR name = $1)
                     AND ($2::text IS NULL OR user_id = $2)
                   ORDER BY seq DESC
                   LIMIT $8
               ) AS events
               WHERE $9::integer IS NULL OR shard_counters.shard = $9
               ORDER BY at DESC, shard DESC, seq DESC
               LIMIT $8
           ) AS found
           LEFT JOIN jobs ON jobs.job_id = found.job_id
           ORDER BY found.at DESC, found.shard DESC, found.seq DESC"#,
        filter.name.as_ref().map(EventName::as_str),
        filter.user.as_ref().map(|(user_id, _)| user_id.as_str()),
        filter.from,
        until,
        after.map(|after| after.at),
        after.map_or(0, |after| i32::from(after.place.shard.get())),
        after.map_or(0, |after| after.place.seq),
        limit,
        filter.user.as_ref().map(|(_, shard)| i32::from(shard.get())),
    )
    .fetch_all(&pool.0)
    .await?;
    Ok(rows.into_iter().map(Event::try_from).collect::<Result<_, _>>()?)
}

/// One event; `None` if it is not kept any more.
///
/// # Errors
/// If Postgres is away.
pub async fn find(pool: &Pool, place: Place) -> Result<Option<Event>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT shard, seq, events.user_id, name, version, at, events.job_id, id, occurred_at,
                  data AS "data: Json<Box<RawValue>>", jobs.type AS "job_type?", jobs.actor AS "actor?",
                  jobs.request_id AS "request_id?", jobs.submitted_at AS "submitted_at?",
                  jobs.result AS "result?: Json<Box<RawValue>>"
           FROM events
           LEFT JOIN jobs ON jobs.job_id = events.job_id
           WHERE shard = $1 AND seq = $2"#,
        i32::from(place.shard.get()),
        place.seq,
    )
    .fetch_optional(&pool.0)
    .await?;
    Ok(row.map(Event::try_from).transpose()?)
}

/// Who tells of Satchel's own events.
pub(crate) const OWN_SOURCE: &str = "satchel";
/// The type of the jobs by which others tell of theirs.
const SENDING: &str = SendEvent::TYPE;

impl TryFrom<Row> for Event {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        let missing = || Unreadable::new("job_id", "the event's job is gone");
        let job_id = row.job_id.map(JobId::from);
        let data = match (row.data, job_id, row.result) {
            (Some(data), ..) => data.0,
            (None, Some(job_id), Some(result)) => {
                let job = JobFacts {
                    job_id,
                    job_type: row.job_type.clone().ok_or_else(missing)?,
                    actor: row.actor.clone().ok_or_else(missing)?,
                    request_id: row.request_id.ok_or_else(missing)?,
                    submitted_at: row.submitted_at.ok_or_else(missing)?,
                };
                events::data_of_record(&job, &result)
            }
            _ => return Err(missing()),
        };
        let name = EventName::parse(&row.name).map_err(|error| Unreadable::new("name", error))?;
        let is_sent = row.job_type.as_deref() == Some(SENDING) && !events::is_known(name.as_str());
        let source = row.actor.filter(|_| is_sent).unwrap_or_else(|| OWN_SOURCE.to_owned());
        Ok(Self {
            id: row.id.or_else(|| job_id.map(|job_id| job_id.to_string())).ok_or_else(missing)?,
            source,
            name,
            version: row.version,
            user_id: stored::user_id(&row.user_id)?,
            at: row.at,
            occurred_at: row.occurred_at,
            job_id,
            data,
            place: Place { shard: stored::shard(row.shard)?, seq: row.seq },
        })
    }
}
