//! `GET /api/v1/items/{itemId}`: one item.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use satchel_model::ids::ItemId;
use satchel_store::Pool;
use satchel_store::catalogue;
use schemars::JsonSchema;
use serde::Serialize;

use crate::auth::Access;
use crate::http::answer::Custom;
use crate::http::deadline;
use crate::http::etag;
use crate::http::extract::{NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::catalogue::{not_modified, read};
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/api/v1/items/{itemId}",
    operation: "showItem",
    access: Access::SignedIn,
    errors: &[503],
    handler: || handle(show),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ItemDefinition<'a> {
    item_id: &'a ItemId,
    version: i64,
    #[serde(flatten)]
    definition: serde_json::Map<String, serde_json::Value>,
}

/// Answers one item as the version in force defines it.
async fn show(
    _: NoQuery,
    PathId(item_id): PathId<ItemId>,
    request: HttpRequest,
    pool: Data<Pool>,
) -> Result<Custom<ItemDefinition<'static>>, ApiError> {
    let found = deadline::answer(catalogue::item(&pool, &item_id)).await?;
    let (version, definition) = found.ok_or(ApiError::NotFound)?;
    if etag::is_not_modified(&request, version) {
        return Ok(not_modified(version).into());
    }
    let item = ItemDefinition { item_id: &item_id, version, definition: read(&definition)? };
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag::of_version(version))).json(item).into())
}
