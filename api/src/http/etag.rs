//! Entity tags made of versions, and the conditions that name them (RFC 9110 sections 8.8.3 and 13.1).

use actix_web::HttpRequest;
use actix_web::http::header::{self, EntityTag, Header as _, IfMatch, IfNoneMatch};

/// The strong entity tag of a version: `"7"`.
pub(crate) fn of_version(version: i64) -> EntityTag {
    EntityTag::new_strong(version.to_string())
}

/// Whether `If-None-Match` is given and names the version, so that 304 is the answer.
/// The comparison is the weak one: `W/` makes no difference.
pub(crate) fn is_not_modified(request: &HttpRequest, version: i64) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&of_version(version))),
        Err(_) => false,
    }
}

/// Whether `If-Match` is given and fails; `current` is `None` while nothing exists.
/// The comparison is the strong one: a weak tag never matches.
pub(crate) fn is_precondition_failed(request: &HttpRequest, current: Option<i64>) -> bool {
    let Some(version) = current else { return request.headers().contains_key(header::IF_MATCH) };
    match IfMatch::parse(request) {
        Ok(IfMatch::Any) => false,
        Ok(IfMatch::Items(tags)) => {
            let is_given = request.headers().contains_key(header::IF_MATCH);
            is_given && !tags.iter().any(|tag| tag.strong_eq(&of_version(version)))
        }
        Err(_) => true,
    }
}

/// Whether `If-None-Match` is given and names what exists, so that a change fails (RFC 9110 section 13.1.2); `*` names
/// whatever exists.
pub(crate) fn is_there_already(request: &HttpRequest, current: Option<i64>) -> bool {
    current.is_some_and(|version| is_not_modified(request, version))
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
