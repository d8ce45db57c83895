//! `PUT /api/v1/catalogue`: another version of what items exist and what they do.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use satchel_forms::{Faults, Node, Pointer};
use satchel_model::access::Role;
use satchel_model::catalogue::Catalogue;
use satchel_model::ids::{ItemId, RequestId};
use satchel_store::Pool;
use satchel_store::catalogue::{self, Publication, Publish, PublishError};

use crate::auth::{Access, Caller};
use crate::http::answer::{Custom, Untyped};
use crate::http::body::Limits;
use crate::http::deadline;
use crate::http::etag;
use crate::http::extract::{DryRun, Limited, Query, RawBody};
use crate::http::offload;
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static PUBLISH: Route = Route {
    method: Method::Put,
    path: "/api/v1/catalogue",
    operation: "publishCatalogue",
    access: Access::Operators("publish catalogues"),
    errors: &[412, 503],
    handler: || handle(publish),
};

impl Limited for Catalogue {
    fn limits(_: Role) -> Limits {
        Limits::CATALOGUE
    }
}

/// Publishes a whole document as the next version, or with `dryRun=true` only says what that would change.
/// `If-Match` and `If-None-Match` are honoured if given: without them the last publisher wins.
async fn publish(
    Caller(caller): Caller,
    RawBody(body, _): RawBody<Catalogue>,
    Query(DryRun(dry_run)): Query<DryRun>,
    (request, request_id): (HttpRequest, RequestId),
    pool: Data<Pool>,
) -> Result<Custom<Untyped<Publication>>, ApiError> {
    let read = move || Catalogue::parse_new(Node::parse(&body)?).map_err(ApiError::Invalid);
    let catalogue = offload::run(true, read).await??;

    let if_version = expected_version(&request, &pool).await?;
    let actor = caller.to_string();
    let publishing = offload::run_calls({
        let (pool, actor, request_id) = (Pool::clone(&pool), actor.clone(), request_id.clone());
        async move {
            let publish =
                Publish { catalogue: &catalogue, if_version, dry_run, actor: &actor, request_id: &request_id };
            deadline::answer(catalogue::publish(&pool, &publish)).await
        }
    });
    let publication = Box::pin(publishing).await?;
    if !dry_run && !publication.changes.is_empty() {
        tracing::info!(catalogue.version = publication.version, actor, request.id = %request_id, "catalogue published");
    }
    let mut answer = HttpResponse::Ok();
    if !dry_run {
        answer.insert_header((header::ETAG, etag::of_version(publication.version)));
    }
    Ok(answer.json(publication).into())
}

/// The version that must be in force when the new one is written, 0 for none, if the request makes a condition.
async fn expected_version(request: &HttpRequest, pool: &Pool) -> Result<Option<i64>, ApiError> {
    let headers = request.headers();
    if !headers.contains_key(header::IF_MATCH) && !headers.contains_key(header::IF_NONE_MATCH) {
        return Ok(None);
    }
    let current = deadline::answer(catalogue::current(pool)).await?.map(|published| published.version);
    if etag::is_precondition_failed(request, current) || etag::is_there_already(request, current) {
        return Err(other_version(current.unwrap_or(0)));
    }
    Ok(Some(current.unwrap_or(0)))
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::OtherVersion { current } => other_version(current),
            PublishError::Held(item_ids) => {
                removed(&item_ids, "is held by users and cannot be removed: retire it with \"retired\": true")
            }
            PublishError::PerhapsHeld(item_ids) => {
                let detail = "it could not be found out in time that nobody holds it: retire it with \"retired\": true";
                removed(&item_ids, detail)
            }
            PublishError::Store(error) => error.into(),
        }
    }
}

/// That items cannot be removed.
fn removed(item_ids: &[ItemId], detail: &str) -> ApiError {
    let mut faults = Faults::default();
    for item_id in item_ids {
        faults.add(Pointer::root().field("items").field(item_id.as_str()), detail);
    }
    ApiError::Invalid(faults)
}

fn other_version(current: i64) -> ApiError {
    ApiError::PreconditionFailed(match current {
        0 => "no catalogue was published yet".to_owned(),
        current => format!("version {current} is in force"),
    })
}
