//! The route table.

mod catalogue;
mod events;
mod functions;
mod health;
mod items;
mod jobs;
mod metrics;
mod queues;
mod reason;
mod route;
mod runs;
#[cfg(test)]
mod tests;
mod users;
mod webhooks;

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::{HttpResponse, web};

pub(crate) use self::catalogue::Written;
pub(crate) use self::health::{Readiness, UnseenSettings, warnings};
pub(crate) use self::jobs::Jobs;
pub(crate) use self::metrics::Metrics;
pub use self::route::{Method, Route};
pub(crate) use self::users::Reader;
pub(crate) use self::webhooks::Sealing;
pub use crate::auth::access::Access;
pub use crate::http::answer::Answers;
pub use crate::http::extract::{Takes, TypeOf};
use crate::http::problem::ApiError;

/// Every route of the public address; of two patterns that fit a path the first one counts.
pub static TABLE: &[&Route] = &[
    &jobs::submit::SUBMIT,
    &jobs::show::SHOW,
    &jobs::withdraw::WITHDRAW,
    &users::inventory::SHOW,
    &users::history::LIST,
    &catalogue::show::SHOW,
    &catalogue::publish::PUBLISH,
    &items::show::SHOW,
    &events::list::LIST,
    &events::send::SEND,
    &events::catalogue::SHOW,
    &functions::list::LIST,
    &functions::runs::LIST,
    &functions::replay::REPLAY,
    &functions::pause::PAUSE,
    &functions::pause::RESUME,
    &functions::cancel::CANCEL,
    &runs::show::SHOW,
    &runs::retry::RETRY,
    &runs::cancel::CANCEL,
    &queues::stats::SHOW,
    &queues::failed::LIST,
    &queues::failed_jobs::RETRY,
    &queues::failed_jobs::REMOVE,
    &queues::failed_job::REMOVE,
    &queues::failed_job::RETRY,
    &queues::clean::CLEAN,
    &queues::pause::PAUSE,
    &queues::pause::RESUME,
    &queues::actions::LIST,
    &webhooks::endpoints::LIST,
    &webhooks::endpoints::ADD,
    &webhooks::endpoint::SHOW,
    &webhooks::endpoint::CHANGE,
    &webhooks::endpoint::REMOVE,
    &webhooks::secret::ROTATE,
    &webhooks::ping::PING,
    &webhooks::deliveries::LIST,
    &webhooks::delivery::REDELIVER,
    &health::live::LIVE,
];

/// What tells of the service itself: everything, for those who run it.
pub static OPERATIONS: &[&Route] = &[&health::ready::READY, &metrics::show::SHOW];

/// What is left of that at the public address where there is one for operations.
pub(crate) static BARE_READINESS: &[&Route] = &[&health::ready::READY_OR_NOT];

/// What the address for operations has beside them.
pub(crate) static LIVENESS: &[&Route] = &[&health::live::LIVE];

/// Registers routes. What is not among them is answered by [`not_found`].
pub(crate) fn register(service: &mut web::ServiceConfig, table: &[&'static Route]) {
    for of_path in table.chunk_by(|route, next| route.path == next.path) {
        let Some(path) = of_path.first().map(|route| route.path) else { continue };
        let allow: Arc<str> = of_path.iter().map(|route| route.method.allowed()).collect::<Vec<_>>().join(", ").into();
        let others = web::route().to(move || refuse(ApiError::MethodNotAllowed { allow: Arc::clone(&allow) }));
        let resource = web::resource(path).name(path).default_service(others);
        service.service(of_path.iter().fold(resource, |resource, route| resource.route(route.serve())));
    }
}

/// Answers what no route takes.
pub(crate) fn not_found() -> actix_web::Route {
    web::route().to(|| refuse(ApiError::NotFound))
}

fn refuse(error: ApiError) -> Ready<Result<HttpResponse, ApiError>> {
    ready(Err(error))
}
