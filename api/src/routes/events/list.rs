//! `GET /api/v1/events`: what happened, newest first.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use satchel_model::domain::{EventName, UserId};
use satchel_model::records::Event;
use satchel_store::events::{self, After, Filter};
use serde::Serialize;
use validator::{Validate, ValidationError};

use crate::auth::operating::Operating;
use crate::http::cursor::Cursor as _;
use crate::http::deadline;
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Validate)]
#[validate(schema(function = "check_period"))]
struct EventsQuery {
    name: Option<EventName>,
    user_id: Option<UserId>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    after: Option<After>,
    #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Events {
    events: Vec<Event>,
    next_cursor: Option<String>,
}

/// Answers a page of events.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let query = read_query(&request)?;
    let limit = usize::from(query.limit);
    let shards = state.queue.shards();
    let filter = Filter {
        name: query.name,
        user: query.user_id.map(|user_id| {
            let shard = shards.of_user(&user_id);
            (user_id, shard)
        }),
        from: query.from,
        to: query.to,
    };
    // One more than asked for tells whether there are more.
    let page = events::page(&state.pool, &filter, query.after, i64::from(query.limit) + 1);
    let mut listed = deadline::answer(page).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next_cursor = listed.last().filter(|_| more).map(|last| last.after.encode());
    let events = listed.into_iter().filter_map(|listed| listed.event).collect();
    Ok(HttpResponse::Ok().json(Events { events, next_cursor }))
}

fn check_period(query: &EventsQuery) -> Result<(), ValidationError> {
    parameters::check_period(query.from, query.to)
}

fn read_query(request: &HttpRequest) -> Result<EventsQuery, ApiError> {
    let mut parameters = Parameters::of(request)?;
    let query = EventsQuery {
        name: parameters.take("name", EventName::parse),
        user_id: parameters.take("userId", UserId::parse),
        from: parameters.take("from", parameters::time),
        to: parameters.take("to", parameters::time),
        after: parameters.take("cursor", |text| After::decode(text).ok_or(parameters::NOT_A_CURSOR)),
        limit: parameters.take("limit", parameters::limit).unwrap_or(parameters::DEFAULT_LIMIT),
    };
    parameters.finish_valid(query)
}
