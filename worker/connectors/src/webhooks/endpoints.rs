//! The endpoints as receivers of runs.

use async_trait::async_trait;
use satchel_functions::{Target, TargetSource};
use satchel_store::webhooks::{self, Subscriber};
use satchel_store::{StoreError, Tx};

/// The kind of receivers, as `functions` keeps it.
pub(super) const KIND: &str = "webhookEndpoints";

/// The endpoints that are enabled.
pub(crate) struct Endpoints;

#[async_trait]
impl TargetSource for Endpoints {
    fn name(&self) -> &'static str {
        KIND
    }

    async fn targets(&self, tx: &mut Tx<'_>) -> Result<Vec<Box<dyn Target>>, StoreError> {
        let endpoints = webhooks::subscribers(tx).await?;
        Ok(endpoints.into_iter().map(|endpoint| Box::new(Endpoint(endpoint)) as Box<dyn Target>).collect())
    }
}

struct Endpoint(Subscriber);

impl Target for Endpoint {
    fn id(&self) -> &str {
        &self.0.target
    }

    fn gets(&self, event_name: &str, user_id: &str) -> bool {
        self.0.gets(event_name, user_id)
    }
}
