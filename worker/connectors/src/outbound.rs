//! Posts to receivers that others name: only to addresses that are permitted, without following anybody anywhere, within
//! bounds of time and size.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use satchel_functions::MAX_RETRY_AFTER;
use satchel_security::outbound::{Allowed, InvalidTarget};
use satchel_settings::Env;

/// The time for a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The part of an answer that is read; nothing of it is kept.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The time that a connection is kept for the next message.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most connections that are kept for each receiver.
const MAX_IDLE_PER_HOST: usize = 4;

/// See the module. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: Client,
    allowed: Arc<Allowed>,
}

/// A receiver's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The status.
    pub(crate) status: StatusCode,
    /// The time that it asks to be left alone (RFC 9110 section 10.2.3).
    pub(crate) retry_after: Option<Duration>,
    /// The time that it will take no more, though it has taken this (`X-RateLimit-Remaining`, `X-RateLimit-Reset-After`).
    pub(crate) spent_for: Option<Duration>,
}

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsent {
    /// The URL must not be sent to.
    #[error("the URL is refused: it {0}")]
    Url(#[from] InvalidTarget),
    /// The name leads to addresses alone that must not be sent to.
    #[error("{0}")]
    Address(RefusedName),
    /// The network, or the receiver.
    #[error("{0}")]
    Network(String),
}

/// A name all of whose addresses are refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{name} leads to addresses that are not permitted (see SATCHEL_OUTBOUND_ALLOW)")]
pub(crate) struct RefusedName {
    name: String,
}

/// Authorities beside the public ones.
const CA_FILE: &str = "SATCHEL_OUTBOUND_CA_FILE";

impl Outbound {
    /// Reads `SATCHEL_OUTBOUND_ALLOW` and `SATCHEL_OUTBOUND_CA_FILE`, the path of certificates in PEM; `None` if that makes no
    /// client. Faults are noted in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Option<Self> {
        let allowed = Allowed::from_env(env);
        let authorities = match env.optional::<String>(CA_FILE) {
            None => Vec::new(),
            Some(path) => match read_certificates(&path) {
                Ok(authorities) => authorities,
                Err(error) => {
                    env.fault(CA_FILE, format!("cannot read certificates from {path}: {error}"));
                    return None;
                }
            },
        };
        Self::new(allowed, authorities).map_err(|error| env.fault(CA_FILE, error)).ok()
    }

    /// A client that may send to what is public or `allowed`, and trusts these authorities beside the public ones.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    fn new(allowed: Allowed, authorities: Vec<CertificateDer<'_>>) -> anyhow::Result<Self> {
        let allowed = Arc::new(allowed);
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for authority in authorities {
            roots.add(authority)?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Guarded(Arc::clone(&allowed)))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .user_agent(concat!("satchel/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, allowed })
    }

    /// Whether a URL is one that may be sent to, as far as it can be seen from it.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self, url: &str) -> Result<(), InvalidTarget> {
        self.allowed.read_url(url).map(drop)
    }

    /// Posts a message. Any answer is one, a redirect too.
    ///
    /// # Errors
    /// [`Unsent`].
    pub(crate) async fn post(&self, url: &str, headers: HeaderMap, body: Vec<u8>) -> Result<Answered, Unsent> {
        // The client resolves names only, so an address in the URL is looked at here.
        let url = self.allowed.read_url(url)?;
        let sent = self.client.post(url).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| unsent(&error.without_url()))?;
        let answered = Answered {
            status: response.status(),
            retry_after: retry_after(&response),
            spent_for: spent_for(response.headers()),
        };
        drain(&mut response).await;
        Ok(answered)
    }
}

/// All of a PEM file; at least one.
fn read_certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    if certificates.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(certificates) }
}

/// Reads some of the answer, so that the connection can be used again; its status is known already.
async fn drain(response: &mut Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read >= MAX_ANSWER_BYTES {
            return;
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    read_retry_after(response.headers().get(RETRY_AFTER)?.to_str().ok()?, SystemTime::now())
}

/// The time until a spent rate limit is renewed; in the header seconds with decimals.
fn spent_for(headers: &HeaderMap) -> Option<Duration> {
    let field = |name: &str| headers.get(name)?.to_str().ok();
    let seconds: f64 =
        field("x-ratelimit-reset-after").filter(|_| field("x-ratelimit-remaining") == Some("0"))?.parse().ok()?;
    Some(Duration::try_from_secs_f64(seconds).ok()?.min(MAX_RETRY_AFTER))
}

/// Seconds, or a time as HTTP writes it.
fn read_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// An error of the client, with its causes.
fn unsent(error: &reqwest::Error) -> Unsent {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<RefusedName>() {
            return Unsent::Address(refused.clone());
        }
        text = format!("{text}: {error}");
        cause = error.source();
    }
    Unsent::Network(text)
}

/// Resolves names to permitted addresses. What is checked is what is connected to: nothing resolves a name again.
struct Guarded(Arc<Allowed>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let name = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name, 0)).await?.collect();
            let (permitted, refused): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|address| allowed.permits(address.ip()));
            if permitted.is_empty() && !refused.is_empty() {
                // Which ones is for whoever runs Satchel: errors of runs are told to receivers.
                tracing::warn!(name, ?refused, "a receiver's name leads to addresses that are not permitted");
                return Err(RefusedName { name: name.to_owned() }.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(allowed: &str, url: &str) -> Unsent {
        let allowed = if allowed.is_empty() { Allowed::default() } else { allowed.parse().unwrap() };
        Outbound::new(allowed, Vec::new()).unwrap().post(url, HeaderMap::new(), Vec::new()).await.unwrap_err()
    }

    #[tokio::test]
    async fn addresses_are_refused_in_urls_and_behind_names() {
        for url in
            ["http://127.0.0.1:1/", "http://[::ffff:10.0.0.1]/", "http://2130706433/", "https://169.254.169.254/"]
        {
            assert!(matches!(refused("", url).await, Unsent::Url(InvalidTarget::Address(_))), "{url}");
        }
        let named = refused("", "https://localhost:1024/").await;
        assert!(matches!(&named, Unsent::Address(_)), "{named:?}");
        assert!(named.to_string().starts_with("localhost leads to "), "{named}");
        assert!(matches!(refused("", "ftp://example.com/").await, Unsent::Url(InvalidTarget::Scheme)));
        // Permitted: it is the network then that says no, since nobody listens there.
        for url in ["http://127.0.0.1:1/", "https://localhost:1024/"] {
            assert!(matches!(refused("127.0.0.0/8,::1/128", url).await, Unsent::Network(_)), "{url}");
        }
    }

    #[test]
    fn authorities_that_cannot_be_read_are_a_fault() {
        for (path, why) in [("/nowhere/ca.pem", "cannot read certificates"), ("/dev/null", "no items found")] {
            let mut env = Env::of([(CA_FILE.to_owned(), path.to_owned())]);
            assert!(Outbound::from_env(&mut env).is_none());
            let faults = env.finish().unwrap_err().to_string();
            assert!(faults.contains(CA_FILE) && faults.contains(why), "{faults}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let read = |text| read_retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:07 GMT"), Some(0));
        assert_eq!(read("99999999999999"), Some(MAX_RETRY_AFTER.as_secs()), "not for ever");
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
