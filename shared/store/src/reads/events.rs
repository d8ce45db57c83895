//! The record of what happened: events, in each shard in the order in which they were committed, without a gap.

use chrono::{DateTime, TimeDelta, Utc};
use satchel_model::events::{self, JobFacts};
use satchel_model::ids::{EventName, JobId, Shard, UserId};
use satchel_model::ledger::{Body, BodyError};
use satchel_model::operations::{Operation, SendEvent};
use satchel_model::records::{Event, OWN_SOURCE, Place};
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use crate::db::stored::{self, Unreadable};
use crate::{Pool, StoreError};

/// An event of a listing.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Where the listing goes on after it.
    pub after: After,
    /// The event; `None` if its row cannot be read.
    pub event: Option<Event>,
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
    /// `None` if nobody has this number.
    user_id: Option<String>,
    name: String,
    version: i16,
    at: DateTime<Utc>,
    job_id: Option<Uuid>,
    id: Option<String>,
    occurred_at: Option<DateTime<Utc>>,
    data: Option<Json<Box<RawValue>>>,
    is_quiet: Option<bool>,
    /// What the record of its job says.
    body: Option<String>,
}

/// A page of events, newest first. Where there is no name or user to go by, time is found by search; the others are
/// looked for on the way, so that a rare name in a long time takes long.
///
/// # Errors
/// If Postgres is away.
pub async fn page(pool: &Pool, filter: &Filter, after: Option<After>, limit: i64) -> Result<Vec<Listed>, StoreError> {
    // The last event's moment is looked at again, for those that stand after it. It comes from outside: chrono may know
    // none later.
    let past = |moment: DateTime<Utc>| moment.checked_add_signed(TimeDelta::microseconds(1)).unwrap_or(moment);
    let until = filter.to.into_iter().chain(after.map(|after| past(after.at))).min();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT found.shard AS "shard!", found.seq AS "seq!", found.user_id, found.name AS "name!",
                  found.version AS "version!", found.at AS "at!", found.job_id, found.id,
                  found.occurred_at, found.data AS "data: Json<Box<RawValue>>", found.is_quiet, records.body AS "body?"
           FROM (
               SELECT events.*
               FROM shard_counters
               CROSS JOIN LATERAL (
                   SELECT *
                   FROM events_between(
                       shard_counters.shard,
                       CASE WHEN $3::timestamptz IS NULL THEN 1 ELSE first_event_since(shard_counters.shard, $3) END,
                       CASE WHEN $4::timestamptz IS NULL THEN shard_counters.events
                            ELSE first_event_since(shard_counters.shard, $4) - 1 END
                   ) AS events
                   WHERE ($5::timestamptz IS NULL OR (at, shard, seq) < ($5, $6, $7))
                     AND ($1::text IS NULL OR name = $1)
                     AND ($2::text IS NULL OR uid = (SELECT uid FROM user_names WHERE user_id = $2 AND shard = $9::integer))
                   ORDER BY batch DESC, seq DESC
                   LIMIT $8
               ) AS events
               WHERE $9::integer IS NULL OR shard_counters.shard = $9
               ORDER BY at DESC, shard DESC, seq DESC
               LIMIT $8
           ) AS found
           LEFT JOIN records ON records.job_id = found.job_id
           ORDER BY found.at DESC, found.shard DESC, found.seq DESC"#,
        filter.name.as_ref().map(EventName::as_str),
        filter.user.as_ref().map(|(user_id, _)| user_id.as_str()),
        filter.from,
        until,
        after.map(|after| after.at),
        after.map_or(0, |after| stored::shard_number(after.place.shard)),
        after.map_or(0, |after| after.place.seq),
        limit,
        filter.user.as_ref().map(|(_, shard)| stored::shard_number(*shard)),
    )
    .fetch_all(&pool.0)
    .await?;
    Ok(rows.into_iter().filter_map(listed).collect())
}

/// What cannot be read costs nobody but itself: it is left out, and said so.
fn listed(row: Row) -> Option<Listed> {
    let (shard, seq, at) = (row.shard, row.seq, row.at);
    let left_out = |error: &Unreadable| tracing::error!(shard, seq, %error, "an event cannot be read and is left out");
    let place = stored::shard(shard).inspect_err(left_out).ok().map(|shard| Place { shard, seq })?;
    Some(Listed { after: After { at, place }, event: Event::try_from(row).inspect_err(left_out).ok() })
}

/// One event; `None` if it is not kept any more.
///
/// # Errors
/// If Postgres is away.
pub async fn find(pool: &Pool, place: Place) -> Result<Option<Event>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT events.shard AS "shard!", events.seq AS "seq!", user_id, name AS "name!",
                  version AS "version!", events.at AS "at!", events.job_id, id, occurred_at,
                  data AS "data: Json<Box<RawValue>>", is_quiet, records.body AS "body?"
           FROM events_between($1, $2, $2) AS events
           LEFT JOIN records ON records.job_id = events.job_id"#,
        stored::shard_number(place.shard),
        place.seq,
    )
    .fetch_optional(&pool.0)
    .await?;
    Ok(row.map(Event::try_from).transpose()?)
}

/// The type of the jobs by which others tell of theirs.
const SENDING: &str = SendEvent::NAME;

impl TryFrom<Row> for Event {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        let job_id = row.job_id.map(JobId::from);
        let user_id = stored::user_id(row.user_id.as_deref().unwrap_or_default())?;
        // Without the job's record nothing is known of it.
        let body = row.body.as_deref().map(Body::parse).transpose().map_err(unreadable_body)?;
        let is_known = events::is_known(&row.name);
        let source = match &body {
            Some(body) if !is_known && body.job_type().map_err(unreadable_body)? == SENDING => body.actor_of(&user_id),
            _ => OWN_SOURCE.to_owned(),
        };
        let data = match (row.data, job_id, &body) {
            (Some(data), ..) => data.0,
            (None, Some(job_id), Some(body)) => of_record(job_id, body, &user_id)?,
            (None, ..) => RawValue::NULL.to_owned(),
        };
        let nameless = || Unreadable::new("id", "there is neither an id nor a job");
        let name = EventName::parse(&row.name).map_err(|error| Unreadable::new("name", error))?;
        Ok(Self {
            id: row.id.or_else(|| job_id.map(|job_id| job_id.to_string())).ok_or_else(nameless)?,
            source,
            name,
            version: row.version,
            user_id,
            at: row.at,
            occurred_at: row.occurred_at,
            job_id,
            data,
            is_quiet: row.is_quiet.unwrap_or_default(),
            place: Place { shard: stored::shard(row.shard)?, seq: row.seq },
        })
    }
}

/// What the record of an event's job says, as the event tells it.
fn of_record(job_id: JobId, body: &Body<'_>, user_id: &UserId) -> Result<Box<RawValue>, Unreadable> {
    let submitted_at = DateTime::from_timestamp_micros(body.submitted_at);
    let job = JobFacts {
        job_id,
        job_type: body.job_type().map_err(unreadable_body)?.into_owned(),
        actor: body.actor_of(user_id),
        request_id: body.request_id.clone().into_owned(),
        submitted_at: submitted_at.ok_or_else(|| Unreadable::new("body", "submittedAt is no time"))?,
        reason: body.reason().map_err(unreadable_body)?.map(Into::into),
    };
    Ok(events::data_of_record(&job, body.result.unwrap_or(RawValue::NULL)))
}

fn unreadable_body(error: BodyError) -> Unreadable {
    Unreadable::new("body", error)
}
