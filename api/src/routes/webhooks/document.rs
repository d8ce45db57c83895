//! What an operator says of an endpoint.

use satchel_forms::schemars::{Schema, json_schema};
use satchel_forms::{At, Faults, Form, Node, Pointer, pattern_schema, read_text};
use satchel_model::catalogue::Catalogue;
use satchel_model::events;
use satchel_model::ids::EventName;
use satchel_security::outbound::Allowed;
use satchel_store::webhooks::operate::{Changes, NewEndpoint};

use super::new_secret;
use crate::http::document;
use crate::http::extract::{FromDocument, Parts};
use crate::http::problem::ApiError;
use crate::intake::current_catalogue::CurrentCatalogue;

/// Most names in a filter.
const MAX_EVENTS: usize = 100;
/// The longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 200;

impl FromDocument for NewEndpoint {
    async fn read(document: Node, parts: &Parts) -> Result<Self, ApiError> {
        let catalogue = parts.component::<CurrentCatalogue>()?.latest().await?;
        new_endpoint(document, parts.component::<Allowed>()?, &catalogue)
    }
}

impl FromDocument for Changes {
    async fn read(document: Node, parts: &Parts) -> Result<Self, ApiError> {
        let catalogue = parts.component::<CurrentCatalogue>()?.latest().await?;
        changes(document, parts.component::<Allowed>()?, &catalogue)
    }
}

/// What documents are checked against.
struct Known<'k> {
    allowed: &'k Allowed,
    catalogue: &'k Catalogue,
}

/// An endpoint that is to be added.
#[derive(Form)]
#[form(context = Known<'c>)]
struct Endpoint {
    /// Where events are sent.
    #[form(with = read_url, schema = url_schema())]
    url: String,
    /// Which events; all if there is no name.
    #[form(default, entries = 0..=MAX_EVENTS, each = read_name)]
    events: Vec<EventName>,
    /// What it is for.
    #[form(default, text = read_description, schema = description_schema())]
    description: String,
    /// Whether anything is sent.
    #[form(default = true)]
    enabled: bool,
}

/// What is to be changed of one, as a merge patch (RFC 7396): `null` takes a member away, so that it is as if it had never
/// been given.
#[derive(Form)]
#[form(context = Known<'c>)]
struct EndpointPatch {
    /// Where events are sent.
    #[form(with = read_new_url, schema = url_schema())]
    url: Option<String>,
    /// Which events.
    #[form(null = Vec::new(), entries = 0..=MAX_EVENTS, each = read_name)]
    events: Option<Vec<EventName>>,
    /// What it is for.
    #[form(null = String::new(), text = read_description, schema = description_schema())]
    description: Option<String>,
    /// Whether anything is sent.
    #[form(null = true)]
    enabled: Option<bool>,
}

/// Reads an endpoint to be added.
///
/// # Errors
/// 422 with every fault.
fn new_endpoint(document: Node, allowed: &Allowed, catalogue: &Catalogue) -> Result<NewEndpoint, ApiError> {
    let endpoint = document::read_in(document, &mut Known { allowed, catalogue })?;
    let Endpoint { url, events, description, enabled } = endpoint;
    Ok(NewEndpoint { url, events, description, enabled, secret: new_secret()? })
}

/// Reads what is to be changed.
///
/// # Errors
/// 422 with every fault.
fn changes(document: Node, allowed: &Allowed, catalogue: &Catalogue) -> Result<Changes, ApiError> {
    let patch = document::read_in(document, &mut Known { allowed, catalogue })?;
    let EndpointPatch { url, events, description, enabled } = patch;
    Ok(Changes { url, events, description, enabled })
}

/// Whether nothing is to be changed.
pub(super) fn is_nothing(changes: &Changes) -> bool {
    let Changes { url, events, description, enabled } = changes;
    url.is_none() && events.is_none() && description.is_none() && enabled.is_none()
}

/// What there is to say of a document that asks for no change, where it should.
pub(super) fn no_change() -> ApiError {
    ApiError::invalid(Pointer::root(), "must say what to change: url, events, description or enabled")
}

fn read_url(node: Node, at: &At<'_>, known: &mut Known<'_>, faults: &mut Faults) -> Option<String> {
    read_text(node, at, faults, |text| known.allowed.read_url(text).map(String::from))
}

fn read_new_url(node: Node, at: &At<'_>, known: &mut Known<'_>, faults: &mut Faults) -> Option<String> {
    if node == Node::Null {
        faults.note(at, "cannot be removed: an endpoint has a url");
        return None;
    }
    read_url(node, at, known, faults)
}

fn url_schema() -> Schema {
    json_schema!({"type": "string", "format": "uri", "pattern": "^https?://"})
}

/// The name of an event that can happen: an endpoint for a name that was mistyped would wait for ever.
fn read_name(
    node: Node,
    at: &At<'_>,
    _: &[EventName],
    known: &mut Known<'_>,
    faults: &mut Faults,
) -> Option<EventName> {
    let name = EventName::read(node, at, known, faults)?;
    if events::is_known(name.as_str()) || known.catalogue.knows_event(&name) {
        return Some(name);
    }
    let detail =
        format!("there is no event {name}: GET /api/v1/events/catalogue lists all, the catalogue's own included");
    faults.note(at, detail);
    None
}

fn description_schema() -> Schema {
    pattern_schema(0..=MAX_DESCRIPTION_CHARS, "^\\P{Cc}*$")
}

fn read_description(text: &str) -> Result<String, String> {
    let has_controls = text.chars().any(char::is_control);
    if has_controls || text.chars().count() > MAX_DESCRIPTION_CHARS {
        return Err(format!("must have at most {MAX_DESCRIPTION_CHARS} characters, none of them a control character"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use satchel_forms::read_in;
    use satchel_forms::testing::disagreement;
    use serde_json::json;

    use super::*;

    fn node(text: &str) -> Node {
        Node::parse(text.as_bytes()).unwrap()
    }

    fn faults<T>(result: Result<T, ApiError>) -> Vec<String> {
        match result {
            Err(ApiError::Invalid(faults)) => {
                faults.as_slice().iter().map(|fault| fault.pointer.as_str().to_owned()).collect()
            }
            Err(other) => panic!("{other:?}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn the_schemas_and_the_readers_agree() {
        let (allowed, catalogue) = (Allowed::default(), Catalogue::default());
        let known = || Known { allowed: &allowed, catalogue: &catalogue };
        let good =
            [json!({"url": "https://example.com/", "events": ["item/used"], "description": "d", "enabled": false})];
        let read = |node| read_in::<Endpoint, _>(node, Pointer::root(), &mut known()).map(drop);
        assert_eq!(disagreement::<Endpoint>(&good, read), None);
        let read = |node| read_in::<EndpointPatch, _>(node, Pointer::root(), &mut known()).map(drop);
        assert_eq!(disagreement::<EndpointPatch>(&good, read), None);
    }

    #[test]
    fn every_fault_of_an_endpoint_is_named() {
        let none = Allowed::default();
        let odd = r#"{"url":"http://127.0.0.1/","events":["item/used","x",1,"item/rewrded"],"description":"a\n","enabled":1,
            "x":1}"#;
        let named = ["/url", "/events/1", "/events/2", "/events/3", "/description", "/enabled", "/x"];
        let catalogue = Catalogue::default();
        assert_eq!(faults(new_endpoint(node(odd), &none, &catalogue)), named);
        assert_eq!(faults(changes(node(odd), &none, &catalogue)), named);
        assert_eq!(faults(new_endpoint(node("{}"), &none, &catalogue)), ["/url"]);
        assert!(is_nothing(&changes(node("{}"), &none, &Catalogue::default()).unwrap()));
    }

    #[test]
    fn null_takes_a_member_away_in_a_change_and_is_a_fault_in_a_new_endpoint() {
        let none = Allowed::default();
        let nulls = r#"{"events":null,"description":null,"enabled":null}"#;
        let Changes { url, events, description, enabled } = changes(node(nulls), &none, &Catalogue::default()).unwrap();
        assert_eq!((url, events, description, enabled), (None, Some(Vec::new()), Some(String::new()), Some(true)));
        assert_eq!(faults(changes(node(r#"{"url":null}"#), &none, &Catalogue::default())), ["/url"]);
        assert_eq!(faults(changes(node("null"), &none, &Catalogue::default())), [""]);
        let new = r#"{"url":"https://example.com","events":null,"description":null,"enabled":null}"#;
        assert_eq!(
            faults(new_endpoint(node(new), &none, &Catalogue::default())),
            ["/events", "/description", "/enabled"]
        );
    }

    #[test]
    fn an_endpoint_gets_all_events_unless_it_says_otherwise() {
        let document = node(r#"{"url":"https://example.com"}"#);
        let new = new_endpoint(document, &Allowed::default(), &Catalogue::default()).unwrap();
        assert_eq!((new.url.as_str(), new.events.len(), new.enabled), ("https://example.com/", 0, true));
    }
}
