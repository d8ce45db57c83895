//! How secrets lie in the table: sealed, each for its endpoint.

use satchel_model::access::WebhookSecret;
use satchel_security::sealing::{SealError, SealKeys};
use uuid::Uuid;

use crate::db::stored::Unreadable;
use crate::{Pool, StoreError};

fn place(endpoint_id: Uuid) -> String {
    format!("webhook:{endpoint_id}")
}

pub(super) fn seal(keys: &SealKeys, endpoint_id: Uuid, secret: &WebhookSecret) -> Result<String, StoreError> {
    Ok(keys.seal(&secret.reveal(), &place(endpoint_id)).map_err(unreadable)?)
}

pub(super) fn open(keys: &SealKeys, endpoint_id: Uuid, sealed: &str) -> Result<WebhookSecret, StoreError> {
    let opened = keys.open(sealed, &place(endpoint_id)).map_err(unreadable)?;
    Ok(WebhookSecret::parse(&opened.text).map_err(|error| Unreadable::new("secret", error))?)
}

fn unreadable(error: SealError) -> Unreadable {
    Unreadable::new("secret", error)
}

/// Seals by the current key what the one before it has sealed; how many endpoints that were. What neither opens stays.
///
/// # Errors
/// If Postgres is away.
pub async fn reseal(pool: &Pool, keys: &SealKeys) -> Result<usize, StoreError> {
    let rows = sqlx::query!("SELECT endpoint_id, secret, previous_secret FROM webhook_endpoints ORDER BY endpoint_id");
    let mut resealed = 0;
    for row in rows.fetch_all(&pool.0).await? {
        let anew = |sealed: &str| -> Result<Option<String>, SealError> {
            let place = place(row.endpoint_id);
            match keys.open(sealed, &place) {
                Ok(opened) if opened.is_of_previous => keys.seal(&opened.text, &place).map(Some),
                Ok(_) | Err(_) => Ok(None),
            }
        };
        let secret = anew(&row.secret).map_err(unreadable)?;
        let previous = row.previous_secret.as_deref().map(anew).transpose().map_err(unreadable)?.flatten();
        if secret.is_none() && previous.is_none() {
            continue;
        }
        // Another replica may do the same at this moment, or an operator give the endpoint another secret.
        let update = sqlx::query!(
            "UPDATE webhook_endpoints
             SET secret = COALESCE($2, secret), previous_secret = COALESCE($3, previous_secret)
             WHERE endpoint_id = $1 AND secret = $4 AND previous_secret IS NOT DISTINCT FROM $5",
            row.endpoint_id,
            secret,
            previous,
            row.secret,
            row.previous_secret,
        );
        resealed += usize::from(update.execute(&pool.0).await?.rows_affected() > 0);
    }
    Ok(resealed)
}
