//! `GET /api/v1/users/{userId}/history`: what happened to a user's holdings, and why.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use satchel_model::ids::{ItemId, JobId};
use satchel_model::ledger::LedgerEntry;
use satchel_model::operations::Work;
use satchel_store::Pool;
use satchel_store::ledger::{self, Filter, Order};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::auth::{Access, ReadableUser};
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{FromQuery, Page, Query};
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static LIST: Route = Route {
    method: Method::Get,
    path: "/api/v1/users/{userId}/history",
    operation: "listHistory",
    access: Access::UserReaders,
    errors: &[422, 503],
    handler: || handle(list),
};

struct HistoryQuery {
    item_id: Option<ItemId>,
    job_type: Option<String>,
    job_id: Option<JobId>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    order: Order,
    page: Page<'s', i64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct History {
    #[schemars(with = "Vec<Value>")]
    entries: Vec<LedgerEntry>,
    next_cursor: Option<String>,
}

/// Answers a page of ledger entries, the newest first unless asked otherwise.
async fn list(
    ReadableUser(user_id): ReadableUser,
    Query(query): Query<HistoryQuery>,
    pool: Data<Pool>,
) -> Result<Answer<History>, ApiError> {
    let mut entries = deadline::answer(ledger::page(&pool, &user_id, &query.filter())).await?;
    let next_cursor = query.page.cut(&mut entries, |entry| entry.seq);
    Ok(Answer(History { entries, next_cursor }))
}

impl HistoryQuery {
    fn filter(&self) -> Filter {
        Filter {
            item_id: self.item_id.clone(),
            job_type: self.job_type.clone(),
            job_id: self.job_id,
            from: self.from,
            to: self.to,
            order: self.order,
            after_seq: self.page.after,
            // One more than asked for tells whether there are more.
            limit: self.page.limit + 1,
        }
    }
}

impl FromQuery for HistoryQuery {
    fn read(parameters: &mut Parameters) -> Self {
        let query = Self {
            item_id: parameters.take("itemId", ItemId::parse),
            job_type: parameters.take("type", read_job_type),
            job_id: parameters.take("jobId", JobId::parse),
            from: parameters.take("from", parameters::time),
            to: parameters.take("to", parameters::time),
            order: parameters.take("order", read_order).unwrap_or_default(),
            page: Page::read(parameters),
        };
        parameters.check_period(query.from, query.to);
        query
    }
}

fn read_job_type(text: &str) -> Result<String, String> {
    if Work::NAMES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("must be one of {}", Work::NAMES.join(", ")))
}

fn read_order(text: &str) -> Result<Order, &'static str> {
    match text {
        "asc" => Ok(Order::OldestFirst),
        "desc" => Ok(Order::NewestFirst),
        _ => Err("must be asc or desc"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::extract;

    fn read(query: &str) -> Result<HistoryQuery, ApiError> {
        extract::read_query(query)
    }

    #[test]
    fn every_filter_is_read() {
        let query = read(
            "itemId=gold&type=use_item&jobId=0190a5e4-8c6e-7000-8000-000000000000&order=asc&limit=500\
             &from=2026-01-01T00:00:00Z&to=2026-01-01T02:00:00%2B01:00",
        )
        .unwrap();
        let filter = query.filter();
        assert_eq!(filter.item_id.unwrap().as_str(), "gold");
        assert_eq!(filter.job_type.unwrap(), "use_item");
        assert_eq!(filter.order, Order::OldestFirst);
        assert_eq!(filter.limit, 501);
        assert_eq!((filter.to.unwrap() - filter.from.unwrap()).num_hours(), 1);
    }

    #[test]
    fn odd_filters_are_refused() {
        for odd in [
            "itemId=GOLD",
            "type=fly",
            "jobId=1",
            "from=yesterday",
            "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            "order=up",
            "cursor=xx",
            "limit=0",
            "limit=501",
            "atVersion=1",
        ] {
            assert!(matches!(read(odd), Err(ApiError::InvalidParameters(faults)) if faults.len() == 1), "{odd}");
        }
    }
}
