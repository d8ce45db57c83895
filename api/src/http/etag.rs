//! Entity tags made of versions, and the conditions that name them (RFC 9110 sections 8.8.3 and 13.1).

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};

/// The strong entity tag of a version: `"7"`.
pub(crate) fn of_version(version: i64) -> String {
    format!("\"{version}\"")
}

/// Whether `If-None-Match` is given and names the version, so that 304 is the answer.
/// The comparison is the weak one: `W/` makes no difference.
pub(crate) fn is_not_modified(request: &HttpRequest, version: i64) -> bool {
    names(request, &header::IF_NONE_MATCH, version, Comparison::Weak).unwrap_or(false)
}

/// Whether `If-Match` is given and fails; `current` is `None` while nothing exists.
/// The comparison is the strong one: a weak tag never matches.
pub(crate) fn is_precondition_failed(request: &HttpRequest, current: Option<i64>) -> bool {
    match current {
        Some(version) => names(request, &header::IF_MATCH, version, Comparison::Strong) == Some(false),
        None => request.headers().contains_key(header::IF_MATCH),
    }
}

/// Whether `If-None-Match` is given and names what exists, so that a change fails (RFC 9110 section 13.1.2); `*` names
/// whatever exists.
pub(crate) fn is_there_already(request: &HttpRequest, current: Option<i64>) -> bool {
    current.is_some_and(|version| is_not_modified(request, version))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether the header's list names the version; `None` if there is no such header.
fn names(request: &HttpRequest, header: &HeaderName, version: i64, comparison: Comparison) -> Option<bool> {
    let mut lines = request.headers().get_all(header).peekable();
    lines.peek()?;
    let wanted = version.to_string();
    Some(lines.any(|line| line.to_str().is_ok_and(|list| list_names(list, &wanted, comparison))))
}

/// Reads `*` or `"a", W/"b"`; what is no entity tag ends the reading.
fn list_names(list: &str, wanted: &str, comparison: Comparison) -> bool {
    let mut rest = list.trim();
    if rest == "*" {
        return true;
    }
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let Some((tag, after)) = quoted.strip_prefix('"').and_then(|tag| tag.split_once('"')) else {
            return false;
        };
        if tag == wanted && !(weak && comparison == Comparison::Strong) {
            return true;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn none_match(value: &str) -> bool {
        let request = TestRequest::default().insert_header((header::IF_NONE_MATCH, value)).to_http_request();
        is_not_modified(&request, 7)
    }

    fn match_fails(value: &str, current: Option<i64>) -> bool {
        let request = TestRequest::default().insert_header((header::IF_MATCH, value)).to_http_request();
        is_precondition_failed(&request, current)
    }

    #[test]
    fn if_none_match_knows_lists_weak_tags_and_the_star() {
        for hit in ["\"7\"", "W/\"7\"", "*", "\"6\", \"7\"", "\"a,b\",W/\"7\""] {
            assert!(none_match(hit), "{hit}");
        }
        for miss in ["\"6\"", "7", "", "\"7", "\"a,\\\"7\\\"\""] {
            assert!(!none_match(miss), "{miss}");
        }
        assert!(!is_not_modified(&TestRequest::default().to_http_request(), 7));
    }

    #[test]
    fn if_none_match_lets_a_change_pass_where_there_is_nothing() {
        let request =
            |value: &str| TestRequest::default().insert_header((header::IF_NONE_MATCH, value)).to_http_request();
        assert!(is_there_already(&request("*"), Some(7)));
        assert!(!is_there_already(&request("*"), None));
        assert!(is_there_already(&request("\"7\""), Some(7)));
        assert!(!is_there_already(&request("\"6\""), Some(7)));
    }

    #[test]
    fn if_match_is_strong_and_fails_when_nothing_exists() {
        assert!(!match_fails("\"7\"", Some(7)));
        assert!(!match_fails("*", Some(7)));
        assert!(match_fails("W/\"7\"", Some(7)));
        assert!(match_fails("\"6\"", Some(7)));
        assert!(match_fails("*", None));
        assert!(!is_precondition_failed(&TestRequest::default().to_http_request(), None));
    }
}
