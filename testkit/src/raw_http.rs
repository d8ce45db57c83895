//! HTTP byte by byte, for what a proper client refuses to send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::GENEROUS_MS;

/// What came back on the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer with this status.
    Status(u16),
    /// The server closed the connection without answering.
    Closed,
}

/// Sends `bytes` to `address` (`host:port`) and reads until the server closes the connection.
///
/// Fails the test if it never does.
pub async fn send(address: &str, bytes: &[u8]) -> Reply {
    status(&exchange(address, bytes).await)
}

/// As [`send`]; gives everything that came back.
pub async fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the API listens");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut reply = Vec::new();
    let read = tokio::time::timeout(Duration::from_millis(GENEROUS_MS), stream.read_to_end(&mut reply));
    let _ = read.await.expect("the server answers or closes");
    reply
}

fn status(reply: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(reply);
    let mut words = text.split(' ');
    match (words.next(), words.next()) {
        (Some(version), Some(status)) if version.starts_with("HTTP/1.") => {
            Reply::Status(status.parse().unwrap_or_else(|_| panic!("no status: {text}")))
        }
        _ => Reply::Closed,
    }
}
