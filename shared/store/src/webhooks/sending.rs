//! What a delivery needs of its endpoint, and what its endpoint learns of it: the breaker.
//!
//! After [`MAX_FAILURES`] failures in a row, or when the endpoint asks for it, nothing is sent for a while, which doubles each
//! time; then one delivery is let through, to see. An endpoint that has failed for [`MAX_FAILING_DAYS`] is disabled.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use satchel_model::access::WebhookSecret;
use satchel_model::events::{EventType, WebhookDisabled};
use satchel_model::records::NewEvent;
use satchel_security::sealing::SealKeys;
use uuid::Uuid;

use super::secrets;
use crate::batch::progress::{self, Progress};
use crate::functions::claims::Claimed;
use crate::{Pool, StoreError, Tx};

/// Failures in a row that open the breaker.
pub const MAX_FAILURES: i32 = 5;
/// How long it stays open at first, in seconds.
pub const FIRST_PAUSE_SECONDS: i32 = 30;
/// How long it stays open at most, in seconds.
pub const MAX_PAUSE_SECONDS: i32 = 600;
/// How long an endpoint may fail, in days, before it is disabled.
pub const MAX_FAILING_DAYS: i32 = 5;
/// How long others wait for the delivery that is let through, in seconds: longer than it can take.
const PROBE_SECONDS: i32 = 20;

/// How long a delivery is put off that meets an endpoint which an operator has disabled at this moment, in seconds.
const DISABLED_SECONDS: i64 = 10;

/// Where to send, and how to sign.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Where to.
    pub url: String,
    /// Signs.
    pub secret: WebhookSecret,
    /// Signs as well.
    pub previous_secret: Option<WebhookSecret>,
    /// Whether it is the one delivery that is let through.
    pub is_probe: bool,
}

/// Whether something may be sent.
#[derive(Debug, Clone)]
pub enum Admission {
    /// It may.
    Send(Destination),
    /// Not before that moment.
    NotBefore(DateTime<Utc>),
    /// There is no such endpoint, or it was disabled because it fails.
    Never,
}

/// How a delivery failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Whether it was the one delivery that was let through.
    pub is_probe: bool,
    /// Whether the endpoint is gone for good.
    pub is_gone: bool,
    /// How long the endpoint asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Asks whether something may be sent to an endpoint now.
///
/// # Errors
/// If Postgres is away.
pub async fn admit(pool: &Pool, endpoint_id: Uuid, keys: &SealKeys) -> Result<Admission, StoreError> {
    let row = sqlx::query!(
        r#"WITH probe AS (
               UPDATE webhook_endpoints
               SET open_until = clock_timestamp() + make_interval(secs => $2)
               WHERE endpoint_id = $1 AND is_enabled AND open_until <= clock_timestamp()
               RETURNING endpoint_id
           )
           SELECT url, is_enabled, disabled_reason, secret, open_until, EXISTS (SELECT FROM probe) AS "is_probe!",
                  CASE WHEN previous_secret_until > clock_timestamp() THEN previous_secret END AS previous_secret,
                  clock_timestamp() AS "now!"
           FROM webhook_endpoints
           WHERE endpoint_id = $1"#,
        endpoint_id,
        f64::from(PROBE_SECONDS),
    )
    .fetch_optional(&pool.0)
    .await?;
    let Some(row) = row.filter(|row| row.is_enabled || row.disabled_reason.is_none()) else {
        return Ok(Admission::Never);
    };
    if !row.is_enabled {
        return Ok(Admission::NotBefore(row.now + TimeDelta::seconds(DISABLED_SECONDS)));
    }
    if let Some(open_until) = row.open_until
        && !row.is_probe
    {
        // Where another one was let through at this moment, what was read is from before that.
        return Ok(Admission::NotBefore(open_until.max(row.now + TimeDelta::seconds(1))));
    }
    let secret = |text: &str| secrets::open(keys, endpoint_id, text);
    Ok(Admission::Send(Destination {
        url: row.url,
        secret: secret(&row.secret)?,
        previous_secret: row.previous_secret.as_deref().map(secret).transpose()?,
        is_probe: row.is_probe,
    }))
}

/// Notes a success: the breaker is closed.
///
/// # Errors
/// If Postgres is away.
pub async fn succeeded(pool: &Pool, endpoint_id: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE webhook_endpoints
         SET consecutive_failures = 0, failing_since = NULL, open_until = NULL
         WHERE endpoint_id = $1 AND (consecutive_failures > 0 OR open_until IS NOT NULL)",
        endpoint_id,
    )
    .execute(&pool.0)
    .await?;
    Ok(())
}

/// Notes a failure. Those that began before the breaker opened do not count once it has. One that is gone is disabled, and
/// else one that has failed for too long; that is told of in the same transaction.
///
/// # Errors
/// If Postgres is away.
pub async fn failed(
    pool: &Pool,
    endpoint_id: Uuid,
    run: &Claimed,
    Refusal { is_probe, is_gone, retry_after }: Refusal,
) -> Result<(), StoreError> {
    let mut tx = Tx(pool.0.begin().await?);
    let endpoint = sqlx::query!(
        r#"UPDATE webhook_endpoints
           SET consecutive_failures = consecutive_failures + 1,
               failing_since = COALESCE(failing_since, clock_timestamp()),
               open_until = GREATEST(
                   CASE WHEN consecutive_failures + 1 >= $2 THEN
                       clock_timestamp()
                       + make_interval(secs => LEAST($3 * 2 ^ LEAST(consecutive_failures + 1 - $2, 30), $4)) END,
                   clock_timestamp() + make_interval(secs => $8)
               )
           WHERE endpoint_id = $1 AND is_enabled AND (open_until IS NULL OR $5 OR $6)
           RETURNING url, clock_timestamp() AS "now!",
                     consecutive_failures >= $2
                     AND failing_since <= clock_timestamp() - make_interval(days => $7) AS "is_hopeless!""#,
        endpoint_id,
        MAX_FAILURES,
        f64::from(FIRST_PAUSE_SECONDS),
        f64::from(MAX_PAUSE_SECONDS),
        is_probe,
        is_gone,
        MAX_FAILING_DAYS,
        retry_after.map(|after| after.as_secs_f64()),
    )
    .fetch_optional(&mut *tx.0)
    .await?;
    let Some(endpoint) = endpoint else { return Ok(()) };
    let reason = match (is_gone, endpoint.is_hopeless) {
        (true, _) => Some("it answered 410 Gone".to_owned()),
        (false, true) => Some(format!("nothing but failures for {MAX_FAILING_DAYS} days")),
        (false, false) => None,
    };
    if let Some(reason) = reason {
        disable(&mut tx, endpoint_id, run, endpoint.url, reason, endpoint.now).await?;
    }
    tx.commit().await
}

async fn disable(
    tx: &mut Tx<'_>,
    endpoint_id: Uuid,
    run: &Claimed,
    url: String,
    reason: String,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE webhook_endpoints
         SET is_enabled = false, disabled_reason = $2, open_until = NULL
         WHERE endpoint_id = $1",
        endpoint_id,
        reason,
    )
    .execute(&mut *tx.0)
    .await?;
    // What follows in it may be a secret, and other receivers are told.
    let origin = url::Url::parse(&url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let disabled = WebhookDisabled { endpoint_id, url: origin, reason, run_id: run.run_id.as_uuid() };
    let told = run.new_event(tx, disabled.emission()).await?;
    // The run may fail in this attempt as well, which is told of under the attempt's own id.
    let told = NewEvent { id: told.id.map(|id| format!("{id}:disabled")), ..told };
    progress::write(tx, Progress { events: &[told], ..Progress::none(now) }).await
}
