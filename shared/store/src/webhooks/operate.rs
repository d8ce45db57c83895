//! What operators do about endpoints, recorded in the same transaction.

use chrono::{DateTime, Utc};
use satchel_model::access::WebhookSecret;
use satchel_model::events::WebhookPing;
use satchel_model::ids::{EventName, RunId, ShardCount};
use satchel_model::moment;
use satchel_security::sealing::SealKeys;
use serde_json::json;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::endpoint::Row;
use super::{Endpoint, FUNCTION, MAX_ENDPOINTS, function_id, secrets};
use crate::actions::{self, Action, Operator};
use crate::db::stored::{self, Unreadable};
use crate::functions::cancel;
use crate::{Pool, StoreError};

/// How long the secret before is used beside a new one, in hours.
pub const PREVIOUS_SECRET_HOURS: i32 = 24;

/// Most deliveries that are cancelled together with the removal of their endpoint.
pub const MAX_CANCELLED: i64 = 5_000;

/// An endpoint to be added.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Where events are posted to.
    pub url: String,
    /// The events that it gets; none: all.
    pub events: Vec<EventName>,
    /// For people.
    pub description: String,
    /// Whether it gets any so far.
    pub enabled: bool,
    /// Signs what is sent.
    pub secret: WebhookSecret,
}

/// What of an endpoint is to be otherwise; `None`: stays.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Where events are posted to.
    pub url: Option<String>,
    /// The events that it gets; none: all.
    pub events: Option<Vec<EventName>>,
    /// For people.
    pub description: Option<String>,
    /// Whether it gets any.
    pub enabled: Option<bool>,
}

/// All endpoints, in the order in which they were added.
///
/// # Errors
/// If Postgres is away.
pub async fn all(pool: &Pool) -> Result<Vec<Endpoint>, StoreError> {
    select(&pool.0, None).await
}

/// One endpoint.
///
/// # Errors
/// If Postgres is away.
pub async fn find(pool: &Pool, endpoint_id: Uuid) -> Result<Option<Endpoint>, StoreError> {
    Ok(select(&pool.0, Some(endpoint_id)).await?.pop())
}

async fn select(executor: impl PgExecutor<'_>, endpoint_id: Option<Uuid>) -> Result<Vec<Endpoint>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT endpoint_id, url, events, description, is_enabled, disabled_reason, consecutive_failures,
                  failing_since, CASE WHEN open_until > clock_timestamp() THEN open_until END AS open_until,
                  CASE WHEN previous_secret_until > clock_timestamp() THEN previous_secret_until END
                      AS previous_secret_until, created_at, updated_at
           FROM webhook_endpoints
           WHERE $1::uuid IS NULL OR endpoint_id = $1
           ORDER BY created_at, endpoint_id"#,
        endpoint_id,
    );
    Ok(rows.fetch_all(executor).await?.into_iter().map(Endpoint::from).collect())
}

/// Adds an endpoint; `None` if there are [`MAX_ENDPOINTS`].
///
/// # Errors
/// If Postgres is away.
pub async fn add(
    pool: &Pool,
    new: &NewEndpoint,
    keys: &SealKeys,
    by: &Operator<'_>,
) -> Result<Option<Endpoint>, StoreError> {
    let endpoint_id = Uuid::now_v7();
    let mut tx = pool.0.begin().await?;
    let added = sqlx::query!(
        "INSERT INTO webhook_endpoints (endpoint_id, url, events, description, is_enabled, secret)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT count(*) FROM webhook_endpoints) < $7",
        endpoint_id,
        new.url,
        &names(&new.events),
        new.description,
        new.enabled,
        secrets::seal(keys, endpoint_id, &new.secret)?,
        i64::from(MAX_ENDPOINTS),
    );
    added.execute(&mut *tx).await?;
    // Before the commit: once there, its secret must be told.
    let Some(endpoint) = select(&mut *tx, Some(endpoint_id)).await?.pop() else { return Ok(None) };
    let detail = json!({"endpointId": endpoint_id, "url": new.url, "events": new.events, "enabled": new.enabled});
    actions::record(&mut tx, by, Action::ADD_WEBHOOK, None, &detail).await?;
    tx.commit().await?;
    Ok(Some(endpoint))
}

/// Changes an endpoint; `false` if there is none. One that is enabled, or given another URL, starts without failures.
///
/// # Errors
/// If Postgres is away.
pub async fn change(pool: &Pool, endpoint_id: Uuid, changes: &Changes, by: &Operator<'_>) -> Result<bool, StoreError> {
    let mut tx = pool.0.begin().await?;
    let events = changes.events.as_deref().map(names);
    let starts_anew = changes.enabled == Some(true) || changes.url.is_some();
    let update = sqlx::query!(
        "UPDATE webhook_endpoints
         SET url = COALESCE($2, url), events = COALESCE($3, events), description = COALESCE($4, description),
             is_enabled = COALESCE($5, is_enabled),
             disabled_reason = CASE WHEN $5 IS NULL THEN disabled_reason END,
             consecutive_failures = CASE WHEN $6 THEN 0 ELSE consecutive_failures END,
             failing_since = CASE WHEN $6 THEN NULL ELSE failing_since END,
             open_until = CASE WHEN $6 THEN NULL ELSE open_until END,
             updated_at = clock_timestamp()
         WHERE endpoint_id = $1",
        endpoint_id,
        changes.url,
        events.as_deref(),
        changes.description,
        changes.enabled,
        starts_anew,
    );
    let is_changed = update.execute(&mut *tx).await?.rows_affected() > 0;
    if is_changed {
        let Changes { url, events, description, enabled } = changes;
        let mut detail = json!({"endpointId": endpoint_id});
        let given = [
            ("url", url.as_ref().map(|url| json!(url))),
            ("events", events.as_ref().map(|events| json!(events))),
            ("description", description.as_ref().map(|description| json!(description))),
            ("enabled", enabled.map(|enabled| json!(enabled))),
        ];
        if let Some(detail) = detail.as_object_mut() {
            detail.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        actions::record(&mut tx, by, Action::CHANGE_WEBHOOK, None, &detail).await?;
        tx.commit().await?;
    }
    Ok(is_changed)
}

/// Removes an endpoint, and ends what waits to be delivered to it: at once [`MAX_CANCELLED`] deliveries, the others when
/// they are due. `false` if there is none.
///
/// # Errors
/// If Postgres is away.
pub async fn remove(pool: &Pool, endpoint_id: Uuid, by: &Operator<'_>) -> Result<bool, StoreError> {
    let mut tx = pool.0.begin().await?;
    let removed =
        sqlx::query_scalar!("DELETE FROM webhook_endpoints WHERE endpoint_id = $1 RETURNING url", endpoint_id);
    let Some(url) = removed.fetch_optional(&mut *tx).await? else { return Ok(false) };
    // What is under way finds that there is no endpoint.
    let waiting = sqlx::query_scalar!(
        "SELECT run_id
         FROM function_runs
         WHERE function_id = $1 AND target = $2 AND target <> '' AND status IN ('queued', 'retrying', 'sleeping')
         LIMIT $3
         FOR NO KEY UPDATE SKIP LOCKED",
        FUNCTION,
        endpoint_id.to_string(),
        MAX_CANCELLED,
    );
    let waiting = waiting.fetch_all(&mut *tx).await?;
    let cancelled = cancel::end(&mut tx, &waiting, None).await?;
    let detail = json!({"endpointId": endpoint_id, "url": url, "cancelled": cancelled});
    actions::record(&mut tx, by, Action::REMOVE_WEBHOOK, None, &detail).await?;
    tx.commit().await?;
    Ok(true)
}

/// Gives an endpoint a new secret; the one before is used, too, for [`PREVIOUS_SECRET_HOURS`]: until when. `None` if there
/// is no such endpoint.
///
/// # Errors
/// If Postgres is away.
pub async fn rotate_secret(
    pool: &Pool,
    endpoint_id: Uuid,
    secret: &WebhookSecret,
    keys: &SealKeys,
    by: &Operator<'_>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut tx = pool.0.begin().await?;
    let rotated = sqlx::query_scalar!(
        r#"UPDATE webhook_endpoints
           SET previous_secret = secret,
               previous_secret_until = clock_timestamp() + make_interval(hours => $3),
               secret = $2, updated_at = clock_timestamp()
           WHERE endpoint_id = $1
           RETURNING previous_secret_until AS "until!""#,
        endpoint_id,
        secrets::seal(keys, endpoint_id, secret)?,
        PREVIOUS_SECRET_HOURS,
    );
    let until = rotated.fetch_optional(&mut *tx).await?;
    if let Some(until) = until {
        let detail = json!({"endpointId": endpoint_id, "previousSecretUntil": moment::text(until)});
        actions::record(&mut tx, by, Action::ROTATE_WEBHOOK_SECRET, None, &detail).await?;
        tx.commit().await?;
    }
    Ok(until)
}

/// Tells of a `webhook/ping`, which this endpoint alone gets: the run that delivers it.
///
/// # Errors
/// If Postgres is away.
pub async fn ping(pool: &Pool, endpoint_id: Uuid, shards: ShardCount, by: &Operator<'_>) -> Result<RunId, StoreError> {
    let user_id = WebhookPing::user_of(endpoint_id).map_err(|error| Unreadable::new("user_id", error))?;
    let shard = shards.of_user(&user_id);
    let mut tx = pool.0.begin().await?;
    let event_id = Uuid::now_v7().to_string();
    let seq = sqlx::query_scalar!(
        r#"SELECT tell_webhook_ping($1, $2, $3) AS "seq!""#,
        endpoint_id,
        stored::shard_number(shard),
        event_id,
    );
    let run_id = RunId::of(&function_id()?, &endpoint_id.to_string(), shard, seq.fetch_one(&mut *tx).await?, None);
    let detail = json!({"endpointId": endpoint_id, "runId": run_id});
    actions::record(&mut tx, by, Action::PING_WEBHOOK, None, &detail).await?;
    tx.commit().await?;
    Ok(run_id)
}

fn names(events: &[EventName]) -> Vec<String> {
    events.iter().map(ToString::to_string).collect()
}
