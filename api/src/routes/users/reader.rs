//! Reads pages of inventories for one HTTP thread, those of concurrent requests by one statement.

use satchel_store::inventory::{self, InventoryPage, PageOf};
use satchel_store::{Pool, Session, StoreError};

use crate::http::deadline;
use crate::http::problem::{ApiError, Store};
use crate::intake::gather::{Gather, Source};

/// Where an HTTP thread's requests ask. Each thread has its own, with a connection of its own, so that no answer has
/// to wake another thread.
pub(crate) struct Reader(Gather<Reads>);

/// What answers: a connection beside the pool's.
struct Reads(Session);

impl Reader {
    /// Starts reading, on the runtime that this is called on. It connects when it is first asked.
    pub(crate) fn start(pool: &Pool) -> Self {
        Self(Gather::start(Reads(Session::beside(pool))))
    }

    /// The page, within [`deadline::answer`]'s time: for the statement under way and for its own.
    ///
    /// # Errors
    /// 503 if Postgres is away, 500 if what is stored cannot be read.
    pub(crate) async fn page(&self, wanted: PageOf) -> Result<InventoryPage, ApiError> {
        let page = async { self.0.ask(wanted).await.unwrap_or(Err(ApiError::Unavailable(Store::Database))) };
        deadline::answer(page).await
    }
}

impl Source for Reads {
    const MAX_WAITING: usize = 4_096;
    /// At most 32,064 rows: each may be a page of 500 items.
    const MAX_QUESTIONS: usize = 64;
    type Question = PageOf;
    type Answer = Result<InventoryPage, ApiError>;

    async fn answer(&mut self, wanted: &[PageOf]) -> Vec<Self::Answer> {
        match self.read(wanted).await.map_err(ApiError::from) {
            Ok(pages) => pages.into_iter().map(|page| page.map_err(ApiError::from)).collect(),
            Err(error) => wanted.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

impl Reads {
    /// A connection that was cut shows it at its next statement only, or by silence: these requests need not pay for that.
    async fn read(&mut self, wanted: &[PageOf]) -> Result<Vec<Result<InventoryPage, StoreError>>, StoreError> {
        let was_connected = self.0.is_connected();
        let pages = async |session: &mut Session| inventory::pages(session, wanted).await;
        match self.0.run(deadline::ANSWER_DEADLINE_MS, pages).await {
            Err(error @ (StoreError::Database(_) | StoreError::Lost)) if was_connected => {
                tracing::debug!(%error, "reading again on a new connection");
                self.0.run(deadline::ANSWER_DEADLINE_MS, pages).await
            }
            pages => pages,
        }
    }
}
