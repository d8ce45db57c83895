//! The parts of the service, as handlers ask for them.

use actix_web::web::{Data, ServiceConfig};
use satchel_queue::Queue;
use satchel_security::outbound::Allowed;
use satchel_store::{Pool, Retention};

use crate::auth::Authenticator;
use crate::intake::Intake;
use crate::intake::clock::Clock;
use crate::intake::current_catalogue::CurrentCatalogue;
use crate::routes::{Jobs, Metrics, Readiness, Sealing, Written};

/// Shared by all HTTP threads.
#[derive(Clone)]
pub(super) struct Components {
    pub(super) authenticator: Data<Authenticator>,
    pub(super) intake: Data<Intake>,
    pub(super) jobs: Data<Jobs>,
    pub(super) pool: Data<Pool>,
    pub(super) queue: Data<dyn Queue>,
    /// Whether this machine's clock is right.
    pub(super) clock: Data<Clock>,
    /// What events are checked against.
    pub(super) catalogue: Data<CurrentCatalogue>,
    /// What is answered to those who read it.
    pub(super) written_catalogue: Data<Written>,
    pub(super) readiness: Data<Readiness>,
    pub(super) metrics: Data<Metrics>,
    /// What is too old to be kept.
    pub(super) retention: Data<Retention>,
    /// Seals the secrets of webhooks.
    pub(super) sealing: Data<Sealing>,
    /// Where webhooks may lead to beside the public Internet.
    pub(super) allowed: Data<Allowed>,
}

impl Components {
    /// Gives them to the handlers.
    pub(super) fn add_to(&self, app: &mut ServiceConfig) {
        let Self { authenticator, intake, jobs, pool, queue, clock, catalogue, .. } = self.clone();
        app.app_data(authenticator).app_data(intake).app_data(jobs).app_data(pool).app_data(queue);
        app.app_data(clock).app_data(catalogue);
        let Self { written_catalogue, readiness, metrics, retention, sealing, allowed, .. } = self.clone();
        app.app_data(written_catalogue).app_data(readiness).app_data(metrics).app_data(retention);
        app.app_data(sealing).app_data(allowed);
    }
}
