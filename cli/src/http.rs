//! The least of an HTTP client: one GET and its status, for health checks.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// An answer: its status and body, as far as it was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Fails unless `url` answers 200.
pub(crate) fn check(url: &str) -> Result<()> {
    let answer = get(url)?;
    if answer.status != 200 {
        bail!("{url} answered {}: {}", answer.status, answer.body.trim());
    }
    Ok(())
}

/// GETs an `http://` URL. HTTP/1.0 (RFC 1945) spares it chunks and kept connections.
pub(crate) fn get(url: &str) -> Result<Answer> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} does not begin with http://"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let with_port = if host.ends_with(']') || !host.contains(':') { format!("{host}:80") } else { host.to_owned() };
    let mut answer = Vec::new();
    let mut exchange = || -> std::io::Result<()> {
        let address = with_port.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        Ok(())
    };
    exchange().with_context(|| format!("no answer from {url}"))?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{url} does not speak HTTP"))
}

fn parse(answer: &str) -> Option<Answer> {
    let status = answer.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_told_apart() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nnot yet").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "not yet"));
        assert!(parse("SSH-2.0-OpenSSH").is_none());
    }
}
