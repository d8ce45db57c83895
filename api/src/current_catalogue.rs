//! The catalogue in force, kept for a moment: events are checked against it, and there are many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use satchel_shared::domain::catalogue::Catalogue;
use satchel_shared::store::{Pool, catalogue};
use tokio::sync::Mutex;

use crate::deadline;
use crate::problem::ApiError;

/// For how long a catalogue is not asked for again.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct CurrentCatalogue {
    pool: Pool,
    /// The last one read, its version, and when; requests that come while it is read wait for it.
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    catalogue: Arc<Catalogue>,
    version: i64,
    read_at: Instant,
}

impl CurrentCatalogue {
    /// None yet.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, kept: Mutex::default() }
    }

    /// The one that was in force a moment ago; while Postgres is away, the last one known.
    ///
    /// # Errors
    /// 503 if none is known.
    pub(crate) async fn recent(&self) -> Result<Arc<Catalogue>, ApiError> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = &*kept
            && kept.read_at.elapsed() < FRESH_FOR
        {
            return Ok(Arc::clone(&kept.catalogue));
        }
        self.renew(&mut kept).await
    }

    /// The one in force now; while Postgres is away, the last one known.
    ///
    /// # Errors
    /// 503 if none is known.
    pub(crate) async fn latest(&self) -> Result<Arc<Catalogue>, ApiError> {
        let asked_at = Instant::now();
        let mut kept = self.kept.lock().await;
        match &*kept {
            // Read for another request, after this one asked.
            Some(kept) if kept.read_at > asked_at => Ok(Arc::clone(&kept.catalogue)),
            _ => self.renew(&mut kept).await,
        }
    }

    async fn renew(&self, kept: &mut Option<Kept>) -> Result<Arc<Catalogue>, ApiError> {
        let read_at = Instant::now();
        let known = kept.as_ref().map(|kept| kept.version);
        let renewed = match deadline::answer(catalogue::newer(&self.pool, known)).await {
            Ok(Some(published)) => {
                let catalogue = Arc::new(published.catalogue()?);
                Kept { catalogue, version: published.version, read_at }
            }
            // None was published, or none since.
            Ok(None) => match kept.take() {
                Some(kept) => Kept { read_at, ..kept },
                None => Kept { catalogue: Arc::default(), version: 0, read_at },
            },
            Err(error) => return kept.as_ref().map(|kept| Arc::clone(&kept.catalogue)).ok_or(error),
        };
        let catalogue = Arc::clone(&renewed.catalogue);
        *kept = Some(renewed);
        Ok(catalogue)
    }
}
