//! `GET /api/v1/events`: what happened, newest first.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use satchel_model::ids::{EventName, Shard, UserId};
use satchel_model::records::{Event, Place};
use satchel_queue::Queue;
use satchel_store::Pool;
use satchel_store::events::{self, After, Filter};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::auth::Access;
use crate::http::answer::Answer;
use crate::http::cursor::Key;
use crate::http::deadline;
use crate::http::extract::{FromQuery, Page, Query};
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static LIST: Route = Route {
    method: Method::Get,
    path: "/api/v1/events",
    operation: "listEvents",
    access: Access::Operators("read events"),
    errors: &[503],
    handler: || handle(list),
};

struct EventsQuery {
    name: Option<EventName>,
    user_id: Option<UserId>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    page: Page<'e', After>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Events {
    #[schemars(with = "Vec<Value>")]
    events: Vec<Event>,
    next_cursor: Option<String>,
}

/// Answers a page of events.
async fn list(
    Query(query): Query<EventsQuery>,
    pool: Data<Pool>,
    queue: Data<dyn Queue>,
) -> Result<Answer<Events>, ApiError> {
    let shards = queue.shards();
    let filter = Filter {
        name: query.name,
        user: query.user_id.map(|user_id| {
            let shard = shards.of_user(&user_id);
            (user_id, shard)
        }),
        from: query.from,
        to: query.to,
    };
    let found = events::page(&pool, &filter, query.page.after, query.page.look_for());
    let mut listed = deadline::answer(found).await?;
    let next_cursor = query.page.cut(&mut listed, |listed| listed.after);
    let events = listed.into_iter().filter_map(|listed| listed.event).collect();
    Ok(Answer(Events { events, next_cursor }))
}

impl FromQuery for EventsQuery {
    fn read(parameters: &mut Parameters) -> Self {
        let query = Self {
            name: parameters.take("name", EventName::parse),
            user_id: parameters.take("userId", UserId::parse),
            from: parameters.take("from", parameters::time),
            to: parameters.take("to", parameters::time),
            page: Page::read(parameters),
        };
        parameters.check_period(query.from, query.to);
        query
    }
}

impl Key for After {
    fn text(&self) -> String {
        let Place { shard, seq } = self.place;
        format!("{}.{}.{seq}", self.at.text(), shard.get())
    }

    fn parse(text: &str) -> Option<Self> {
        let (at, place) = text.split_once('.')?;
        let (shard, seq) = place.split_once('.')?;
        let shard = Shard::new(u16::try_from(i64::parse(shard)?).ok()?);
        Some(Self { at: Key::parse(at)?, place: Place { shard, seq: i64::parse(seq)? } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::cursor::{decode, encode};

    #[test]
    fn a_cursor_is_the_place_of_an_event() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
        let event = After { at, place: Place { shard: Shard::new(63), seq: 7 } };
        assert_eq!(decode::<'e', After>(&encode::<'e', _>(&event)), Some(event));
        let late = format!("e{}.0.1", DateTime::<Utc>::MAX_UTC.timestamp_micros());
        for garbage in ["e", "e1", "e1.1", "e1.1.1.1", "e1.70000.1", "e1.-1.1", late.as_str()] {
            assert_eq!(decode::<'e', After>(&hex::encode(garbage)), None, "{garbage}");
        }
    }
}
