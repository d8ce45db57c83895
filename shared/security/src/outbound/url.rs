//! Which URLs may be sent to, as far as they say it themselves.

use std::net::IpAddr;

use url::{Host, Url};

use super::Allowed;

/// The longest URL, in bytes.
const MAX_BYTES: usize = 2_000;

/// Below this the system's services are (RFC 6335 section 6): of those only the scheme's own may be sent to.
const FIRST_PORT: u16 = 1_024;

/// A text that is no URL to send to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// It is too long.
    #[error("must have at most {MAX_BYTES} bytes")]
    TooLong,
    /// It is none (URL Standard).
    #[error("must be a URL such as https://example.com/hook: {0}")]
    NoUrl(#[from] url::ParseError),
    /// Another scheme.
    #[error("must begin with https://")]
    Scheme,
    /// Everybody on the way would read it.
    #[error(
        "must begin with https:// (http is for addresses of SATCHEL_OUTBOUND_ALLOW, or with SATCHEL_OUTBOUND_ALLOW_HTTP)"
    )]
    Http,
    /// A port at which other services are, such as mail.
    #[error("must have the scheme's own port or one from {FIRST_PORT} on, not {0}")]
    Port(u16),
    /// It has a user name or a password: they would be kept and shown with it.
    #[error("must have no user name and no password")]
    UserInfo,
    /// An address that is not of the public Internet.
    #[error("must not lead to {0}, which is not an address of the public Internet (see SATCHEL_OUTBOUND_ALLOW)")]
    Address(String),
}

impl Allowed {
    /// Reads a URL. Where a name leads to is for whoever sends to see.
    ///
    /// # Errors
    /// [`InvalidTarget`].
    pub fn read_url(&self, text: &str) -> Result<Url, InvalidTarget> {
        if text.len() > MAX_BYTES {
            return Err(InvalidTarget::TooLong);
        }
        let mut url = Url::parse(text)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(InvalidTarget::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidTarget::UserInfo);
        }
        let address: Option<IpAddr> = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(address) = address.filter(|address| !self.permits(*address)) {
            return Err(InvalidTarget::Address(address.to_string()));
        }
        // Which service is at an address that the operator has named, the operator knows.
        if !address.is_some_and(|address| self.names(address)) {
            if url.scheme() == "http" && !self.http {
                return Err(InvalidTarget::Http);
            }
            // The scheme's own port is not in the URL.
            if let Some(port) = url.port().filter(|port| *port < FIRST_PORT) {
                return Err(InvalidTarget::Port(port));
            }
        }
        // It is not sent.
        url.set_fragment(None);
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_https_or_http_without_user_to_the_public_internet() {
        let none = Allowed::default();
        for fine in
            ["https://example.com/hook?a=1", "https://example.com:8443", "https://8.8.8.8/", "https://localhost/"]
        {
            assert!(none.read_url(fine).is_ok(), "{fine}");
        }
        assert_eq!(none.read_url("https://a.example/b#c").unwrap().as_str(), "https://a.example/b");
        for odd in ["", "example.com", "//example.com", "https://", "https://exa mple.com/", "http://[::1/"] {
            assert!(matches!(none.read_url(odd), Err(InvalidTarget::NoUrl(_))), "{odd}");
        }
        for other in ["ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "example.com:80"] {
            assert_eq!(none.read_url(other), Err(InvalidTarget::Scheme), "{other}");
        }
        for named in ["https://user@example.com/", "https://:secret@example.com/"] {
            assert_eq!(none.read_url(named), Err(InvalidTarget::UserInfo), "{named}");
        }
        assert_eq!(none.read_url(&format!("https://a.example/{}", "b".repeat(2_000))), Err(InvalidTarget::TooLong));
    }

    #[test]
    fn http_and_ports_of_other_services_are_for_named_addresses_or_what_the_operator_allows() {
        let read = |http: bool, url: &str| {
            let mut allowed: Allowed = "127.0.0.1/32".parse().unwrap();
            allowed.http = http;
            allowed.read_url(url).map(drop)
        };
        assert_eq!(read(false, "http://example.com/"), Err(InvalidTarget::Http));
        assert_eq!(read(false, "http://8.8.8.8:8080/"), Err(InvalidTarget::Http));
        assert_eq!(read(true, "http://example.com:8080/"), Ok(()));
        assert_eq!(read(true, "http://example.com:443/"), Err(InvalidTarget::Port(443)));
        for port in [22, 25, 80, 587, 1_023] {
            assert_eq!(read(true, &format!("https://example.com:{port}/")), Err(InvalidTarget::Port(port)));
        }
        assert_eq!(read(false, "https://example.com:443/"), Ok(()));
        assert_eq!(read(false, "https://example.com:1024/"), Ok(()));
        assert_eq!(read(false, "http://127.0.0.1:25/"), Ok(()));
    }

    #[test]
    fn an_address_is_seen_in_every_way_of_writing_it() {
        let none = Allowed::default();
        let loopback: Allowed = "127.0.0.1/32".parse().unwrap();
        for written in [
            "http://127.0.0.1/",
            "http://127.1:80/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://127。0。0。1/",
        ] {
            assert!(matches!(none.read_url(written), Err(InvalidTarget::Address(_))), "{written}");
            assert!(loopback.read_url(written).is_ok(), "{written}");
        }
        for refused in ["http://[::1]/", "http://169.254.169.254/latest", "http://10.0.0.1/", "http://[fd00:ec2::254]/"]
        {
            assert!(matches!(loopback.read_url(refused), Err(InvalidTarget::Address(_))), "{refused}");
        }
    }
}
