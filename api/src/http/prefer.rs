//! `Prefer: wait=N` (RFC 7240).

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

/// The longest that a request may wait for its job, in seconds; longer wishes are cut to it.
const MAX_WAIT_SECONDS: u64 = 30;

pub(crate) static PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
static PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long the client will wait for the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    seconds: u64,
}

impl Wait {
    /// Reads the request's preference. Preferences that are malformed or not understood are passed
    /// over, as RFC 7240 section 2 asks; of several `wait`s the first counts.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        let lines = request.headers().get_all(&PREFER).filter_map(|line| line.to_str().ok());
        let seconds = lines.flat_map(|line| line.split(',')).find_map(wait_value)?;
        let seconds: u64 = if seconds.bytes().all(|byte| byte.is_ascii_digit()) && !seconds.is_empty() {
            seconds.parse().unwrap_or(u64::MAX)
        } else {
            return None;
        };
        (seconds > 0).then(|| Self { seconds: seconds.min(MAX_WAIT_SECONDS) })
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// The value of `Preference-Applied`.
    pub(crate) fn applied(self) -> String {
        format!("wait={}", self.seconds)
    }
}

/// The value of one preference if it is `wait`, without parameters and quotes.
fn wait_value(preference: &str) -> Option<&str> {
    let preference = preference.split(';').next()?;
    let (name, value) = preference.split_once('=')?;
    name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn seconds(values: &[&str]) -> Option<u64> {
        let request = values
            .iter()
            .fold(TestRequest::default(), |request, value| request.append_header((PREFER.clone(), *value)));
        Wait::of(&request.to_http_request()).map(|wait| wait.seconds)
    }

    #[test]
    fn the_first_wait_counts_and_is_cut_to_thirty_seconds() {
        assert_eq!(seconds(&["wait=5"]), Some(5));
        assert_eq!(seconds(&["respond-async, Wait = \"7\"; x=1"]), Some(7));
        assert_eq!(seconds(&["return=minimal", "wait=3, wait=9"]), Some(3));
        assert_eq!(seconds(&["wait=31"]), Some(30));
        assert_eq!(seconds(&["wait=99999999999999999999999"]), Some(30));
    }

    #[test]
    fn malformed_waits_are_passed_over() {
        for odd in ["wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "wait=+1", "wait=0", "waits=5"] {
            assert_eq!(seconds(&[odd]), None, "{odd}");
        }
        assert_eq!(seconds(&[]), None);
    }
}
