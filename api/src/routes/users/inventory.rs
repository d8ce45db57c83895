//! `GET /api/v1/users/{userId}/inventory`: what a user holds.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use satchel_model::domain::{ItemId, UserId};
use satchel_store::inventory::{HeldItem, PageOf};
use serde::Serialize;
use validator::Validate;

use crate::auth::{Caller, permission};
use crate::http::cursor::Cursor as _;
use crate::http::etag;
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;

use super::Reader;

#[derive(Validate)]
struct InventoryQuery {
    after: Option<ItemId>,
    #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inventory<'a> {
    user_id: &'a UserId,
    version: i64,
    items: &'a [HeldItem],
    next_cursor: Option<String>,
}

/// Answers a page of holdings ordered by item; its entity tag is the user's version.
pub(crate) async fn list(
    caller: Caller,
    request: HttpRequest,
    reader: web::Data<Reader>,
) -> Result<HttpResponse, ApiError> {
    let user_id = permission::user_to_read(&caller, request.match_info().query("userId"))?;
    let query = read_query(&request)?;

    let wanted = PageOf { user_id: user_id.clone(), after: query.after, limit: query.limit };
    let page = reader.page(wanted).await?;
    if etag::is_not_modified(&request, page.version) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag::of_version(page.version))).finish());
    }
    let last = page.items.last().filter(|_| page.more);
    let next_cursor = last.map(|held| held.item_id.encode());
    let body = Inventory { user_id: &user_id, version: page.version, items: &page.items, next_cursor };
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag::of_version(page.version))).json(body))
}

fn read_query(request: &HttpRequest) -> Result<InventoryQuery, ApiError> {
    let mut parameters = Parameters::of(request)?;
    let after = parameters.take("cursor", |text| ItemId::decode(text).ok_or(parameters::NOT_A_CURSOR));
    let limit = parameters.take("limit", parameters::limit).unwrap_or(parameters::DEFAULT_LIMIT);
    parameters.finish_valid(InventoryQuery { after, limit })
}
