//! What an operator says of an endpoint.

use satchel_forms::{Faults, Fields, Node, Pointer};
use satchel_model::catalogue::Catalogue;
use satchel_model::events;
use satchel_model::ids::EventName;
use satchel_security::outbound::{Allowed, InvalidTarget};
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

/// Reads an endpoint to be added.
///
/// # Errors
/// 422 with every fault.
fn new_endpoint(document: Node, allowed: &Allowed, catalogue: &Catalogue) -> Result<NewEndpoint, ApiError> {
    let (url, rest) = document::fields(document, |fields| {
        let url = fields.required("url", Node::read_string(|text| read_url(text, allowed)));
        (url, rest(fields, Nulls::AreFaults, catalogue))
    })?;
    Ok(NewEndpoint {
        // Without one there was a fault.
        url: url.ok_or(ApiError::Internal)?,
        events: rest.events.unwrap_or_default(),
        description: rest.description.unwrap_or_default(),
        enabled: rest.enabled.unwrap_or(true),
        secret: new_secret()?,
    })
}

/// Reads what is to be changed, as a merge patch (RFC 7396): `null` takes a member away, so that it is as if it had never
/// been given.
///
/// # Errors
/// 422 with every fault.
fn changes(document: Node, allowed: &Allowed, catalogue: &Catalogue) -> Result<Changes, ApiError> {
    document::fields(document, |fields| {
        let url = fields.optional("url", |node, at, faults| {
            if node == Node::Null {
                faults.add(at, "cannot be removed: an endpoint has a url");
                return None;
            }
            Node::read_string(|text| read_url(text, allowed))(node, at, faults)
        });
        Changes { url, ..rest(fields, Nulls::Remove, catalogue) }
    })
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

/// What `null` means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    AreFaults,
    Remove,
}

impl Nulls {
    /// A reader that takes `null` for the value of a member that was not given, where it means that.
    fn or<T>(
        self,
        read: impl FnOnce(Node, Pointer, &mut Faults) -> Option<T>,
        absent: T,
    ) -> impl FnOnce(Node, Pointer, &mut Faults) -> Option<T> {
        move |node, at, faults| {
            if self == Self::Remove && node == Node::Null { Some(absent) } else { read(node, at, faults) }
        }
    }
}

fn rest(fields: &mut Fields<'_>, nulls: Nulls, catalogue: &Catalogue) -> Changes {
    let read_name = |node, at, faults: &mut Faults| read_name(node, at, faults, catalogue);
    let events = Node::read_array(0..=MAX_EVENTS, read_name);
    Changes {
        url: None,
        events: fields.optional("events", nulls.or(events, Vec::new())),
        description: fields.optional("description", nulls.or(Node::read_string(read_description), String::new())),
        enabled: fields.optional("enabled", nulls.or(Node::read_bool, true)),
    }
}

fn read_url(text: &str, allowed: &Allowed) -> Result<String, InvalidTarget> {
    allowed.read_url(text).map(String::from)
}

/// The name of an event that can happen: an endpoint for a name that was mistyped would wait for ever.
fn read_name(node: Node, at: Pointer, faults: &mut Faults, catalogue: &Catalogue) -> Option<EventName> {
    let name = Node::read_string(EventName::parse)(node, at.clone(), faults)?;
    if events::is_known(name.as_str()) || catalogue.knows_event(&name) {
        return Some(name);
    }
    faults.add(
        at,
        format!("there is no event {name}: GET /api/v1/events/catalogue lists all, the catalogue's own included"),
    );
    None
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
