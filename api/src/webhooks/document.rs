//! What an operator says of an endpoint.

use satchel_shared::domain::EventName;
use satchel_shared::domain::catalogue::Catalogue;
use satchel_shared::events;
use satchel_shared::json::{Faults, Fields, Node, Pointer};
use satchel_shared::outbound::{Allowed, InvalidTarget};
use satchel_shared::store::webhooks::operate::{Changes, NewEndpoint};

use super::new_secret;
use crate::document;
use crate::problem::ApiError;

/// Most names in a filter.
const MAX_EVENTS: usize = 100;
/// The longest description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 200;

/// Reads an endpoint to be added.
///
/// # Errors
/// 422 with every fault.
pub(super) fn new_endpoint(document: Node, allowed: &Allowed, catalogue: &Catalogue) -> Result<NewEndpoint, ApiError> {
    let (url, rest) = document::fields(document, |fields| {
        let url = fields.required("url", Node::read_string(|text| read_url(text, allowed)));
        (url, rest(fields, catalogue))
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

/// Reads what is to be changed.
///
/// # Errors
/// 422 with every fault, and if nothing is.
pub(super) fn changes(document: Node, allowed: &Allowed, catalogue: &Catalogue) -> Result<Changes, ApiError> {
    let changes = document::fields(document, |fields| {
        let url = fields.optional("url", Node::read_string(|text| read_url(text, allowed)));
        Changes { url, ..rest(fields, catalogue) }
    })?;
    let Changes { url, events, description, enabled } = &changes;
    if url.is_none() && events.is_none() && description.is_none() && enabled.is_none() {
        let detail = "must say what to change: url, events, description or enabled";
        return Err(ApiError::invalid(Pointer::root(), detail));
    }
    Ok(changes)
}

fn rest(fields: &mut Fields<'_>, catalogue: &Catalogue) -> Changes {
    let read_name = |node, at, faults: &mut Faults| read_name(node, at, faults, catalogue);
    Changes {
        url: None,
        events: fields.optional("events", Node::read_array(0..=MAX_EVENTS, read_name)),
        description: fields.optional("description", Node::read_string(read_description)),
        enabled: fields.optional("enabled", Node::read_bool),
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
        assert_eq!(faults(changes(node("{}"), &none, &catalogue)), [""]);
    }

    #[test]
    fn an_endpoint_gets_all_events_unless_it_says_otherwise() {
        let document = node(r#"{"url":"https://example.com"}"#);
        let new = new_endpoint(document, &Allowed::default(), &Catalogue::default()).unwrap();
        assert_eq!((new.url.as_str(), new.events.len(), new.enabled), ("https://example.com/", 0, true));
    }
}
