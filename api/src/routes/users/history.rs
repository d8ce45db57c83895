//! `GET /api/v1/users/{userId}/history`: what happened to a user's holdings, and why.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use satchel_model::domain::{ItemId, JobId, LedgerEntry};
use satchel_model::jobs::Work;
use satchel_store::ledger::{self, Filter, Order};
use serde::Serialize;
use validator::{Validate, ValidationError};

use crate::auth::{Caller, permission};
use crate::http::cursor::{AfterSeq, Cursor as _};
use crate::http::deadline;
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Validate)]
#[validate(schema(function = "check_period"))]
struct HistoryQuery {
    item_id: Option<ItemId>,
    job_type: Option<String>,
    job_id: Option<JobId>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    order: Order,
    after: Option<AfterSeq>,
    #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct History<'a> {
    entries: &'a [LedgerEntry],
    next_cursor: Option<String>,
}

/// Answers a page of ledger entries, the newest first unless asked otherwise.
pub(crate) async fn list(
    caller: Caller,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let user_id = permission::user_to_read(&caller, request.match_info().query("userId"))?;
    let query = read_query(&request)?;

    let limit = usize::from(query.limit);
    let mut entries = deadline::answer(ledger::page(&state.pool, &user_id, &query.into_filter())).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = entries.last().filter(|_| more).map(|entry| AfterSeq(entry.seq).encode());
    Ok(HttpResponse::Ok().json(History { entries: &entries, next_cursor }))
}

impl HistoryQuery {
    fn into_filter(self) -> Filter {
        Filter {
            item_id: self.item_id,
            job_type: self.job_type,
            job_id: self.job_id,
            from: self.from,
            to: self.to,
            order: self.order,
            after_seq: self.after.map(|after| after.0),
            // One more than asked for tells whether there are more.
            limit: self.limit + 1,
        }
    }
}

fn check_period(query: &HistoryQuery) -> Result<(), ValidationError> {
    parameters::check_period(query.from, query.to)
}

fn read_query(request: &HttpRequest) -> Result<HistoryQuery, ApiError> {
    let mut parameters = Parameters::of(request)?;
    let query = HistoryQuery {
        item_id: parameters.take("itemId", ItemId::parse),
        job_type: parameters.take("type", read_job_type),
        job_id: parameters.take("jobId", JobId::parse),
        from: parameters.take("from", parameters::time),
        to: parameters.take("to", parameters::time),
        order: parameters.take("order", read_order).unwrap_or_default(),
        after: parameters.take("cursor", |text| AfterSeq::decode(text).ok_or(parameters::NOT_A_CURSOR)),
        limit: parameters.take("limit", parameters::limit).unwrap_or(parameters::DEFAULT_LIMIT),
    };
    parameters.finish_valid(query)
}

fn read_job_type(text: &str) -> Result<String, String> {
    if Work::TYPES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("must be one of {}", Work::TYPES.join(", ")))
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
    use actix_web::test::TestRequest;

    fn read(query: &str) -> Result<HistoryQuery, ApiError> {
        read_query(&TestRequest::with_uri(&format!("/x?{query}")).to_http_request())
    }

    #[test]
    fn every_filter_is_read() {
        let query = read(
            "itemId=gold&type=use_item&jobId=0190a5e4-8c6e-7000-8000-000000000000&order=asc&limit=500\
             &from=2026-01-01T00:00:00Z&to=2026-01-01T02:00:00%2B01:00",
        )
        .unwrap();
        let filter = query.into_filter();
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
