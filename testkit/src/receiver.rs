//! A receiver of webhooks: an HTTP server on a port of its own, which answers as it is told and remembers what it got.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::{Certificates, wait};

/// How a receiver answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With this status.
    Status(u16),
    /// With this status and a header field.
    With(u16, &'static str, String),
    /// With 200, after so long.
    Late(Duration),
    /// With 200, and a body that never ends.
    Endless,
    /// Never.
    Hang,
}

/// What a receiver got.
#[derive(Debug, Clone)]
pub struct Received {
    /// When.
    pub at: Instant,
    /// The path, with its query.
    pub path: String,
    /// The header fields, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// See the module. It ends when it is dropped.
pub struct Receiver {
    scheme: &'static str,
    port: u16,
    told: Arc<Told>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Told {
    /// What it answers next; the last one again and again.
    replies: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
}

impl Receiver {
    /// One that answers so.
    pub async fn start(reply: Reply) -> Self {
        Self::listen(reply, None).await
    }

    async fn listen(reply: Reply, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let told = Arc::new(Told { replies: Mutex::new(VecDeque::from([reply])), ..Told::default() });
        let shared = Arc::clone(&told);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, told) = (tls.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, told).await,
                        // A client that does not like the certificate is none.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, told).await;
                            }
                        }
                    }
                });
            }
        });
        Self { scheme, port, told, task }
    }

    /// One that speaks TLS.
    pub async fn start_tls(reply: Reply, certificates: &Certificates) -> Self {
        let read = |name: &str| certificates.path(name);
        let chain =
            CertificateDer::pem_file_iter(read("server.crt")).expect("PEM").collect::<Result<_, _>>().expect("PEM");
        let key = PrivateKeyDer::from_pem_file(read("server.key")).expect("PEM");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("TLS").with_no_client_auth();
        let config = config.with_single_cert(chain, key).expect("a certificate and its key");
        Self::listen(reply, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// Where it listens, by address.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/hook", self.scheme, self.port)
    }

    /// Where it listens, by name.
    pub fn named_url(&self) -> String {
        format!("{}://localhost:{}/hook", self.scheme, self.port)
    }

    /// From now on it answers these, one after the other, the last one again and again.
    pub fn answer(&self, replies: impl IntoIterator<Item = Reply>) {
        *self.told.replies.lock().unwrap() = replies.into_iter().collect();
    }

    /// All that it got.
    pub fn received(&self) -> Vec<Received> {
        self.told.received.lock().unwrap().clone()
    }

    /// The events that it got, by name.
    pub fn names(&self) -> Vec<String> {
        self.received().iter().map(|message| message.event()["type"].as_str().expect("a type").to_owned()).collect()
    }

    /// Waits until it has got so many, and gives them.
    pub async fn gets(&self, count: usize) -> Vec<Received> {
        wait::until(&format!("the receiver gets {count} messages"), || async {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Received {
    /// A header field; fails the test without it.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).1
    }

    /// The event in the body.
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("an event")
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, told: Arc<Told>) {
    let mut stream = BufReader::new(stream);
    while let Some(message) = read(&mut stream).await {
        told.received.lock().unwrap().push(message);
        let reply = {
            let mut replies = told.replies.lock().unwrap();
            let reply = replies.front().cloned().expect("a reply");
            if replies.len() > 1 {
                replies.pop_front();
            }
            reply
        };
        let (status, field) = match reply {
            Reply::Status(status) => (status, String::new()),
            Reply::With(status, name, value) => (status, format!("{name}: {value}\r\n")),
            Reply::Late(after) => {
                tokio::time::sleep(after).await;
                (200, String::new())
            }
            Reply::Endless => return endless(&mut stream).await,
            Reply::Hang => return std::future::pending().await,
        };
        let answer = format!("HTTP/1.1 {status} Told\r\n{field}Content-Length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Writes until nobody reads any more.
async fn endless(stream: &mut (impl AsyncWrite + Unpin)) {
    let mut written = stream.write_all(b"HTTP/1.1 200 Told\r\n\r\n").await;
    while written.is_ok() {
        written = stream.write_all(&[b'x'; 4096]).await;
    }
}

/// One request; `None` at the connection's end.
pub(crate) async fn read(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<Received> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = vec![0; length.parse().expect("a length")];
    stream.read_exact(&mut body).await.ok()?;
    let path = first.split(' ').nth(1).expect("a path").to_owned();
    Some(Received { at: Instant::now(), path, headers, body: String::from_utf8(body).expect("UTF-8") })
}
