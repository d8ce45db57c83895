//! `GET /api/v1/events/catalogue`: which events there are, and what their data looks like.

use actix_web::web::Data;
use satchel_model::catalogue::EventDefinition;
use satchel_model::events;
use satchel_model::ids::EventName;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::auth::Access;
use crate::http::answer::Answer;
use crate::http::extract::NoQuery;
use crate::http::problem::ApiError;
use crate::intake::current_catalogue::CurrentCatalogue;
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/api/v1/events/catalogue",
    operation: "showEventCatalogue",
    access: Access::SignedIn,
    errors: &[503],
    handler: || handle(show),
};

/// The version of the game's own events: their catalogue has versions instead.
const OWN_VERSION: i16 = 1;

#[derive(Serialize, JsonSchema)]
struct EventCatalogue {
    events: Vec<DescribedEvent>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DescribedEvent {
    name: String,
    version: i16,
    /// `satchel`, or `catalogue` for the game's own.
    declared_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// JSON Schema, draft 2020-12.
    schema: Value,
}

/// Answers Satchel's own events, and those of the catalogue in force.
async fn show(_: NoQuery, catalogue: Data<CurrentCatalogue>) -> Result<Answer<EventCatalogue>, ApiError> {
    let catalogue = catalogue.latest().await?;
    let own = events::described().into_iter().map(|event| DescribedEvent {
        name: event.name.to_owned(),
        version: event.version,
        declared_by: "satchel",
        description: Some(event.description.to_owned()),
        schema: event.schema.into(),
    });
    let declared = catalogue.events().into_iter().map(|(name, definition)| declared(name, definition));
    Ok(Answer(EventCatalogue { events: own.chain(declared).collect() }))
}

fn declared(name: &EventName, definition: Option<&EventDefinition>) -> DescribedEvent {
    let schema = definition.and_then(|definition| definition.schema.as_ref());
    DescribedEvent {
        name: name.to_string(),
        version: OWN_VERSION,
        declared_by: "catalogue",
        description: definition.and_then(|definition| definition.description.clone()),
        schema: schema.map_or_else(|| json!({}), |schema| json!(schema)),
    }
}
