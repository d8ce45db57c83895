//! `GET` and `PUT /api/v1/catalogue`, `GET /api/v1/items/{itemId}`: what items exist and what they do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use satchel_forms::{Faults, Node, Pointer};
use satchel_model::domain::ItemId;
use satchel_model::domain::catalogue::Catalogue;
use satchel_store::catalogue::{self, Publish, PublishError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::auth::{Caller, permission};
use crate::http::body::{self, Limits};
use crate::http::deadline;
use crate::http::etag;
use crate::http::offload;
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;
use crate::http::request_id::Tagged;
use crate::server::state::State;

/// The members of a published document, unread: whoever edits what it was answered, and publishes that, loses none.
type Document<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CurrentCatalogue<'a> {
    version: i64,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    published_at: DateTime<Utc>,
    published_by: &'a str,
    #[serde(flatten)]
    document: Document<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemDefinition<'a> {
    item_id: &'a ItemId,
    version: i64,
    #[serde(flatten)]
    definition: serde_json::Map<String, serde_json::Value>,
}

/// The answer with the version in force, as it was last written. All who read it share it: of a slow reader each would else
/// hold one of its own, up to 1 MiB.
#[derive(Default)]
pub(crate) struct Written(Mutex<Option<(Publication, Bytes)>>);

/// Which version of the catalogue, and when it was published: a database that was restored may have another one of that
/// version.
type Publication = (i64, DateTime<Utc>);

impl Written {
    fn get(
        &self,
        publication: Publication,
        write: impl FnOnce() -> Result<Bytes, ApiError>,
    ) -> Result<Bytes, ApiError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, answer)) = last.filter(|(last, _)| *last == publication) {
            return Ok(answer);
        }
        let answer = write()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((publication, answer.clone()));
        Ok(answer)
    }
}

/// Answers the version in force; 404 before the first one.
pub(crate) async fn current(
    _caller: Caller,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Parameters::of(&request)?.finish()?;
    let published = deadline::answer(catalogue::current(&state.pool)).await?.ok_or(ApiError::NotFound)?;
    if etag::is_not_modified(&request, published.version) {
        return Ok(not_modified(published.version));
    }
    let answer = state.written_catalogue.get((published.version, published.published_at), || {
        let answer = serde_json::to_vec(&CurrentCatalogue {
            version: published.version,
            published_at: published.published_at,
            published_by: &published.published_by,
            document: read(&published.document)?,
        });
        answer.map(Bytes::from).map_err(|error| unreadable(&error))
    })?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, etag::of_version(published.version)));
    Ok(response.content_type(header::ContentType::json()).body(answer))
}

/// Answers one item as the version in force defines it.
pub(crate) async fn item(
    _caller: Caller,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Parameters::of(&request)?.finish()?;
    let item_id = ItemId::parse(request.match_info().query("itemId")).map_err(|_| ApiError::NotFound)?;
    let found = deadline::answer(catalogue::item(&state.pool, &item_id)).await?;
    let (version, definition) = found.ok_or(ApiError::NotFound)?;
    if etag::is_not_modified(&request, version) {
        return Ok(not_modified(version));
    }
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag::of_version(version))).json(ItemDefinition {
        item_id: &item_id,
        version,
        definition: read(&definition)?,
    }))
}

/// Publishes a whole document as the next version, or with `dryRun=true` only says what that would change.
/// `If-Match` and `If-None-Match` are honoured if given: without them the last publisher wins.
pub(crate) async fn publish(
    caller: Caller,
    Tagged(request_id): Tagged,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    permission::may_publish(&caller)?;
    let body = body::read_json(&request, payload, Limits::CATALOGUE).await?;
    let mut parameters = Parameters::of(&request)?;
    let dry_run = parameters.take("dryRun", parameters::flag).unwrap_or(false);
    parameters.finish()?;
    let read = move || Catalogue::parse_new(Node::parse(&body)?).map_err(ApiError::Invalid);
    let catalogue = offload::run(true, read).await??;

    let if_version = expected_version(&request, &state).await?;
    let actor = caller.to_string();
    let publishing = offload::run_calls({
        let (pool, actor, request_id) = (state.pool.clone(), actor.clone(), request_id.clone());
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
    Ok(answer.json(publication))
}

/// The version that must be in force when the new one is written, 0 for none, if the request makes a condition.
async fn expected_version(request: &HttpRequest, state: &State) -> Result<Option<i64>, ApiError> {
    let headers = request.headers();
    if !headers.contains_key(header::IF_MATCH) && !headers.contains_key(header::IF_NONE_MATCH) {
        return Ok(None);
    }
    let current = deadline::answer(catalogue::current(&state.pool)).await?.map(|published| published.version);
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

fn not_modified(version: i64) -> HttpResponse {
    HttpResponse::NotModified().insert_header((header::ETAG, etag::of_version(version))).finish()
}

/// Reads a stored document or a part of one. Only checked documents are stored.
fn read<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Result<T, ApiError> {
    serde_json::from_str(json.get()).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    tracing::error!(%error, "the stored catalogue cannot be read");
    ApiError::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_once_and_shared_until_another_catalogue_is_published() {
        let written = Written::default();
        let (then, now) = (DateTime::UNIX_EPOCH, Utc::now());
        let first = written.get((1, then), || Ok(Bytes::from(vec![1; 100]))).unwrap();
        let again = written.get((1, then), || panic!("it was written before")).unwrap();
        assert_eq!(first.as_ptr(), again.as_ptr());
        for other in [(2, then), (2, now)] {
            assert!(matches!(written.get(other, || Err(ApiError::Internal)), Err(ApiError::Internal)));
            assert_eq!(written.get(other, || Ok(Bytes::from_static(b"x"))).unwrap(), "x");
        }
    }
}
