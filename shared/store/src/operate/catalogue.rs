//! Published catalogues: immutable versions, the highest of which is in force.

mod warnings;

use chrono::{DateTime, Utc};
use satchel_forms::Node;
use satchel_model::catalogue::{Catalogue, Changes, Tightened};
use satchel_model::ids::{ItemId, RequestId};
use satchel_model::json::raw;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::Connection;
use sqlx::types::Json;

use crate::batch::rules;
use crate::db::session::limit_statements;
use crate::db::stored::{self, Unreadable};
use crate::{Blame, Pool, StoreError, Tx};

pub use warnings::Warning;

/// Longest look for who holds items that are to be removed, in milliseconds: no job is applied meanwhile.
const HELD_TIMEOUT_MS: u32 = 2_000;

/// A published version.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its number; versions count from 1.
    pub version: i64,
    /// The whole document.
    pub document: Box<RawValue>,
    /// Who published it: `role:subject`.
    pub published_by: String,
    /// When.
    pub published_at: DateTime<Utc>,
}

impl Published {
    /// The document as the domain reads it.
    ///
    /// # Errors
    /// If a version of Satchel that knew more wrote it.
    pub fn catalogue(&self) -> Result<Catalogue, StoreError> {
        let node = Node::parse(self.document.get().as_bytes()).map_err(|e| Unreadable::new("document", e))?;
        Ok(Catalogue::parse(node).map_err(|faults| Unreadable::new("document", faults))?)
    }
}

/// What publishing did, or would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Publication {
    /// The version now in force; with a dry run, the one that would be.
    pub version: i64,
    /// What it changes.
    pub changes: Changes,
    /// What is allowed but surprising.
    pub warnings: Vec<Warning>,
    /// Whether nothing was published.
    pub dry_run: bool,
}

/// Who publishes what, and on what condition.
#[derive(Debug, Clone)]
pub struct Publish<'a> {
    /// The new catalogue.
    pub catalogue: &'a Catalogue,
    /// Only if this version is in force; 0 means none is.
    pub if_version: Option<i64>,
    /// Check everything and publish nothing.
    pub dry_run: bool,
    /// Who: `role:subject`.
    pub actor: &'a str,
    /// In which request.
    pub request_id: &'a RequestId,
}

/// Why a catalogue was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Another version is in force than the publisher thinks.
    #[error("version {current} is in force")]
    OtherVersion {
        /// The one in force; 0 for none.
        current: i64,
    },
    /// Items that someone holds would be gone.
    #[error("held items cannot be removed, only retired")]
    Held(Vec<ItemId>),
    /// Items would be gone of which it was not found out in time whether someone holds one.
    #[error("it could not be found out in time whether removed items are held")]
    PerhapsHeld(Vec<ItemId>),
    /// Postgres is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for PublishError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

async fn select_current<'e>(executor: impl sqlx::PgExecutor<'e>) -> Result<Option<Published>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT version, document AS "document: Json<Box<RawValue>>", published_by, published_at
           FROM catalogue_versions
           ORDER BY version DESC
           LIMIT 1"#
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Published {
        version: row.version,
        document: row.document.0,
        published_by: row.published_by,
        published_at: row.published_at,
    }))
}

/// The version in force, if any was ever published.
///
/// # Errors
/// If Postgres is away.
pub async fn current(pool: &Pool) -> Result<Option<Published>, StoreError> {
    select_current(&pool.0).await
}

/// The version in force, unless it is the one that is `known`.
///
/// # Errors
/// If Postgres is away.
pub async fn newer(pool: &Pool, known: Option<i64>) -> Result<Option<Published>, StoreError> {
    let version = sqlx::query_scalar!("SELECT max(version) FROM catalogue_versions").fetch_one(&pool.0).await?;
    if version == known { Ok(None) } else { select_current(&pool.0).await }
}

/// An item of the version in force, and that version; `None` if there is no such item.
///
/// # Errors
/// If Postgres is away.
pub async fn item(pool: &Pool, item_id: &ItemId) -> Result<Option<(i64, Box<RawValue>)>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT version, definition AS "definition: Json<Box<RawValue>>"
           FROM items
           WHERE version = (SELECT max(version) FROM catalogue_versions) AND item_id = $1"#,
        item_id.as_str(),
    )
    .fetch_optional(&pool.0)
    .await?;
    Ok(row.map(|row| (row.version, row.definition.0)))
}

/// The version in force, as the transaction sees it.
///
/// # Errors
/// If Postgres is away.
pub async fn current_in(tx: &mut Tx<'_>) -> Result<Option<Published>, StoreError> {
    select_current(&mut *tx.0).await
}

/// Publishes a new version. A catalogue that changes nothing publishes nothing.
///
/// # Errors
/// [`PublishError`].
pub async fn publish(pool: &Pool, publish: &Publish<'_>) -> Result<Publication, PublishError> {
    let mut tx = pool.0.begin().await?;
    let publication = publish_in(&mut tx, publish).await;
    // At once in either case: no batch begins before.
    match publication {
        Ok((mut publication, tightened)) => {
            tx.commit().await?;
            // Only now, when nobody waits for it.
            publication.warnings = warnings::of(pool, &tightened).await;
            Ok(publication)
        }
        Err(error) => {
            // Where that cannot be said any more, Postgres knows it already.
            drop(tx.rollback().await);
            Err(error)
        }
    }
}

async fn publish_in(
    tx: &mut sqlx::Transaction<'static, sqlx::Postgres>,
    publish: &Publish<'_>,
) -> Result<(Publication, Vec<Tightened>), PublishError> {
    if !publish.dry_run {
        rules::change(tx).await?;
    }
    let current = select_current(&mut **tx).await?;
    let current_version = current.as_ref().map_or(0, |current| current.version);
    if publish.if_version.is_some_and(|wanted| wanted != current_version) {
        return Err(PublishError::OtherVersion { current: current_version });
    }
    let old = current.as_ref().map(Published::catalogue).transpose()?.unwrap_or_default();
    let changes = Catalogue::compare(&old, publish.catalogue);
    match held_among(tx, &changes.items.removed).await {
        Ok(held) if held.is_empty() => {}
        Ok(held) => return Err(PublishError::Held(held)),
        Err(error) if error.blame() == Blame::Size => return Err(PublishError::PerhapsHeld(changes.items.removed)),
        Err(error) => return Err(error.into()),
    }
    let differs = !changes.is_empty() || current.is_none();
    let version = current_version + i64::from(differs);
    if differs && !publish.dry_run {
        insert(tx, version, publish).await?;
    }
    let tightened = Catalogue::tightened(&old, publish.catalogue);
    Ok((Publication { version, changes, warnings: Vec::new(), dry_run: publish.dry_run }, tightened))
}

/// Those of the items that someone holds. There is no index by item, which each job would have to pay for: all holdings
/// are read, for at most [`HELD_TIMEOUT_MS`].
async fn held_among(
    tx: &mut sqlx::Transaction<'static, sqlx::Postgres>,
    item_ids: &[ItemId],
) -> Result<Vec<ItemId>, StoreError> {
    if item_ids.is_empty() {
        return Ok(Vec::new());
    }
    let item_ids: Vec<_> = item_ids.iter().map(ItemId::as_str).collect();
    let mut look = tx.begin().await?;
    limit_statements(&mut look, HELD_TIMEOUT_MS).await?;
    let held = sqlx::query_scalar!(
        "SELECT DISTINCT item_id FROM holdings WHERE item_id = ANY($1::text[]) AND quantity > 0 ORDER BY item_id",
        &item_ids as &[&str],
    )
    .fetch_all(&mut *look)
    .await;
    // Takes the limit back, and what failed.
    look.rollback().await?;
    Ok(held?.iter().map(|item_id| stored::item_id(item_id)).collect::<Result<_, _>>()?)
}

async fn insert(
    tx: &mut sqlx::Transaction<'static, sqlx::Postgres>,
    version: i64,
    publish: &Publish<'_>,
) -> Result<(), StoreError> {
    let document = raw(publish.catalogue);
    sqlx::query!(
        "SELECT FROM publish_catalogue($1, $2::text::json, $3, $4)",
        version,
        document.get(),
        publish.actor,
        publish.request_id.as_str(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
