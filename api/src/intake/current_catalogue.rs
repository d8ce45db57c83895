//! The catalogue in force, kept for a moment: events are checked against it, and there are many.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use satchel_model::catalogue::Catalogue;
use satchel_store::{Pool, catalogue};
use tokio::time::Instant;

use crate::http::deadline;
use crate::http::offload;
use crate::http::problem::ApiError;

/// For how long a catalogue is not asked for again, nor one that could not be had.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct CurrentCatalogue {
    pool: Pool,
    known: Mutex<Known>,
    /// Held by the request that asks; those that come meanwhile wait for what it learns.
    asking: tokio::sync::Mutex<()>,
}

/// What the last questions were answered.
#[derive(Default)]
struct Known {
    kept: Option<Kept>,
    /// When the last one failed, and how.
    failed: Option<(Instant, ApiError)>,
}

/// The last catalogue read, its version, and when.
#[derive(Clone)]
struct Kept {
    catalogue: Arc<Catalogue>,
    version: i64,
    read_at: Instant,
}

impl CurrentCatalogue {
    /// None yet.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The one that was in force a moment ago; while Postgres is away, the last one known.
    ///
    /// # Errors
    /// 503 if none is known, within [`deadline::answer`]'s time, however many wait.
    pub(crate) async fn recent(&self) -> Result<Arc<Catalogue>, ApiError> {
        self.read(|read_at| read_at.elapsed() < FRESH_FOR).await
    }

    /// The one in force now; while Postgres is away, the last one known.
    ///
    /// # Errors
    /// As for [`CurrentCatalogue::recent`].
    pub(crate) async fn latest(&self) -> Result<Arc<Catalogue>, ApiError> {
        let asked_at = Instant::now();
        // Perhaps it is read for another request, after this one asked.
        self.read(|read_at| read_at > asked_at).await
    }

    /// The known one, if it was read at such a moment; else it is asked for.
    async fn read(&self, is_new: impl Fn(Instant) -> bool) -> Result<Arc<Catalogue>, ApiError> {
        if let Some(known) = self.known().answer(&is_new) {
            return known;
        }
        let asked = async {
            let _asking = self.asking.lock().await;
            // Whoever asked until now may have learnt it. (Its own statement: no guard is held while this one asks.)
            let known = self.known().answer(&is_new);
            Ok::<_, ApiError>(match known {
                Some(known) => known,
                None => self.ask().await,
            })
        };
        deadline::answer(asked).await.unwrap_or_else(|error| self.known().fail(error))
    }

    async fn ask(&self) -> Result<Arc<Catalogue>, ApiError> {
        let read_at = Instant::now();
        let version = self.known().kept.as_ref().map(|kept| kept.version);
        match catalogue::newer(&self.pool, version).await {
            Ok(Some(published)) => {
                let version = published.version;
                let catalogue = Arc::new(offload::run(true, move || published.catalogue()).await??);
                Ok(self.known().keep(Kept { catalogue, version, read_at }))
            }
            // None was published, or none since.
            Ok(None) => {
                let mut known = self.known();
                let kept = match known.kept.take() {
                    Some(kept) => Kept { read_at, ..kept },
                    None => Kept { catalogue: Arc::default(), version: 0, read_at },
                };
                Ok(known.keep(kept))
            }
            Err(error) => self.known().fail(error.into()),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What can be answered without asking: a catalogue that was read at such a moment, or, while asking has just
    /// failed, what there is.
    fn answer(&self, is_new: &impl Fn(Instant) -> bool) -> Option<Result<Arc<Catalogue>, ApiError>> {
        if let Some(kept) = self.kept.as_ref().filter(|kept| is_new(kept.read_at)) {
            return Some(Ok(Arc::clone(&kept.catalogue)));
        }
        let (_, error) = self.failed.as_ref().filter(|(at, _)| at.elapsed() < FRESH_FOR)?;
        Some(self.last().ok_or_else(|| error.clone()))
    }

    fn last(&self) -> Option<Arc<Catalogue>> {
        self.kept.as_ref().map(|kept| Arc::clone(&kept.catalogue))
    }

    fn keep(&mut self, kept: Kept) -> Arc<Catalogue> {
        let catalogue = Arc::clone(&kept.catalogue);
        *self = Self { kept: Some(kept), failed: None };
        catalogue
    }

    /// Notes that asking failed, and answers with what there is.
    fn fail(&mut self, error: ApiError) -> Result<Arc<Catalogue>, ApiError> {
        self.failed = Some((Instant::now(), error.clone()));
        self.last().ok_or(error)
    }
}

#[cfg(test)]
mod tests {
    use satchel_store::PoolConfig;

    use super::*;

    /// A database that takes connections and never says anything.
    struct Silence {
        listener: std::net::TcpListener,
        catalogue: Arc<CurrentCatalogue>,
    }

    impl Silence {
        fn new() -> Self {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let config = PoolConfig {
                url: format!("postgres://{}/x", listener.local_addr().unwrap()).into(),
                role: None,
                application_name: "test",
                max_connections: 16,
                acquire_timeout_ms: 60_000,
                statement_timeout_ms: 60_000,
            };
            Self { listener, catalogue: Arc::new(CurrentCatalogue::new(Pool::new(&config).unwrap())) }
        }

        /// How often it was connected to since the last look.
        fn connections(&self) -> usize {
            std::iter::from_fn(|| self.listener.accept().ok()).count()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_a_store_that_hangs_are_answered_within_one_deadline() {
        let silence = Silence::new();
        let begin = Instant::now();
        let asking: Vec<_> = (0..20)
            .map(|n| {
                let catalogue = Arc::clone(&silence.catalogue);
                tokio::spawn(async move {
                    let each = Duration::from_millis(n * 100);
                    tokio::time::sleep(each).await;
                    assert!(catalogue.recent().await.is_err());
                })
            })
            .collect();
        for asked in asking {
            asked.await.unwrap();
        }
        let last = begin.elapsed();
        assert!(last < Duration::from_secs(7), "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_remembered_for_a_second() {
        let silence = Silence::new();
        assert!(silence.catalogue.recent().await.is_err());
        let asked = silence.connections();
        assert!(asked > 0);
        let begin = Instant::now();
        assert!(silence.catalogue.recent().await.is_err() && silence.catalogue.latest().await.is_err());
        assert_eq!((begin.elapsed(), silence.connections()), (Duration::ZERO, 0));
        tokio::time::sleep(FRESH_FOR).await;
        assert!(silence.catalogue.recent().await.is_err());
        assert!(begin.elapsed() > FRESH_FOR && silence.connections() > 0);
    }

    #[test]
    fn the_last_catalogue_known_is_answered_while_there_is_no_later_one() {
        let mut known = Known::default();
        assert!(known.answer(&|_| true).is_none());
        let kept = known.keep(Kept { catalogue: Arc::default(), version: 1, read_at: Instant::now() });
        assert!(known.answer(&|_| false).is_none(), "it is asked for");
        assert!(Arc::ptr_eq(&known.fail(ApiError::Internal).unwrap(), &kept));
        assert!(Arc::ptr_eq(&known.answer(&|_| false).unwrap().unwrap(), &kept));
    }
}
