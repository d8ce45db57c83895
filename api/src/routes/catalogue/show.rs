//! `GET /api/v1/catalogue`: what items exist and what they do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use satchel_store::Pool;
use satchel_store::catalogue;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{not_modified, read, unreadable};
use crate::auth::Access;
use crate::http::answer::Custom;
use crate::http::deadline;
use crate::http::etag;
use crate::http::extract::NoQuery;
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/api/v1/catalogue",
    operation: "showCatalogue",
    access: Access::SignedIn,
    errors: &[404, 503],
    handler: || handle(show),
};

/// The members of a published document, unread: whoever edits what it was answered, and publishes that, loses none.
type Document<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CurrentCatalogue<'a> {
    version: i64,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    published_at: DateTime<Utc>,
    published_by: &'a str,
    #[serde(flatten)]
    #[schemars(with = "BTreeMap<String, Value>")]
    document: Document<'a>,
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
async fn show(
    _: NoQuery,
    request: HttpRequest,
    pool: Data<Pool>,
    written: Data<Written>,
) -> Result<Custom<CurrentCatalogue<'static>>, ApiError> {
    let published = deadline::answer(catalogue::current(&pool)).await?.ok_or(ApiError::NotFound)?;
    if etag::is_not_modified(&request, published.version) {
        return Ok(not_modified(published.version).into());
    }
    let answer = written.get((published.version, published.published_at), || {
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
    Ok(response.content_type(header::ContentType::json()).body(answer).into())
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
