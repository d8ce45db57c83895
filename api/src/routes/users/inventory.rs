//! `GET /api/v1/users/{userId}/inventory`: what a user holds.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use satchel_model::ids::{ItemId, UserId};
use satchel_store::inventory::{InventoryItem, PageOf};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Reader;
use crate::auth::{Access, ReadableUser};
use crate::http::answer::Custom;
use crate::http::cursor::{self, Key};
use crate::http::etag;
use crate::http::extract::{Page, Query};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/api/v1/users/{userId}/inventory",
    operation: "showInventory",
    access: Access::UserReaders,
    errors: &[422, 503],
    handler: || handle(show),
};

/// The tag of its cursors.
const TAG: char = 'i';

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Inventory<'a> {
    user_id: &'a UserId,
    version: i64,
    #[schemars(with = "Vec<Value>")]
    items: &'a [InventoryItem],
    next_cursor: Option<String>,
}

/// Answers a page of holdings ordered by item; its entity tag is the user's version.
async fn show(
    ReadableUser(user_id): ReadableUser,
    Query(query): Query<Page<TAG, ItemId>>,
    request: HttpRequest,
    reader: Data<Reader>,
) -> Result<Custom<Inventory<'static>>, ApiError> {
    let wanted = PageOf { user_id: user_id.clone(), after: query.after, limit: query.limit };
    let page = reader.page(wanted).await?;
    let tag = (header::ETAG, etag::of_version(page.version));
    if etag::is_not_modified(&request, page.version) {
        return Ok(HttpResponse::NotModified().insert_header(tag).finish().into());
    }
    let last = page.items.last().filter(|_| page.more);
    let next_cursor = last.map(|held| cursor::encode::<TAG, _>(&held.item_id));
    let body = Inventory { user_id: &user_id, version: page.version, items: &page.items, next_cursor };
    Ok(HttpResponse::Ok().insert_header(tag).json(body).into())
}

impl Key for ItemId {
    fn text(&self) -> String {
        self.as_str().to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_an_item() {
        let item = ItemId::parse("gold").unwrap();
        assert_eq!(cursor::decode::<TAG, ItemId>(&cursor::encode::<TAG, _>(&item)), Some(item));
        assert_eq!(cursor::decode::<TAG, ItemId>(&hex::encode("iGOLD")), None);
    }
}
