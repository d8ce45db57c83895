//! Where a request comes from: its connection's other end, or, where that is a proxy of ours, who the proxy says it is.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use satchel_settings::Networks;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address. Each proxy adds to the end of `X-Forwarded-For` whom it heard from, so the last one that is no proxy of
/// ours is the client: what stands before that the client may have written itself.
pub(super) fn of(request: &HttpRequest, proxies: &Networks) -> Option<IpAddr> {
    Some(behind(request.peer_addr()?.ip(), request.headers(), proxies))
}

fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &Networks) -> IpAddr {
    if !proxies.contains(peer) {
        return peer;
    }
    let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).filter_map(|line| line.to_str().ok()).collect();
    let mut last = peer;
    for part in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(address) = part.trim().parse::<IpAddr>() else { return last };
        if !proxies.contains(address) {
            return address;
        }
        last = address;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn address(peer: &str, lines: &[&str]) -> String {
        let request =
            lines.iter().fold(TestRequest::default(), |request, line| request.append_header((X_FORWARDED_FOR, *line)));
        let proxies = "10.0.0.0/8,::1".parse().unwrap();
        behind(peer.parse().unwrap(), request.to_http_request().headers(), &proxies).to_string()
    }

    #[test]
    fn only_a_proxy_of_ours_is_believed() {
        assert_eq!(address("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
        assert_eq!(address("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1", &["203.0.113.66, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1", &["203.0.113.66", "198.51.100.1,10.0.0.2"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
    }
}
