//! A kept connection of a thread of its own: for setting up, and for the open loop, where requests must leave at
//! their times to the fraction of a millisecond, which is finer than the runtime's timer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::http::{Answer, Head, Incoming, get};

/// Longest wait for the next part of an answer.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
const MAX_SHOWN_CHARS: usize = 300;

/// One connection, one request at a time.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    stream: TcpStream,
    incoming: Incoming,
}

impl Client {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Self { address, stream, incoming: Incoming::new() })
    }

    /// Sends a request and reads the answer to it.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.incoming.clear();
        self.stream.write_all(request)?;
        loop {
            let bytes = self.stream.read(self.incoming.room()?)?;
            self.incoming.read(bytes)?;
            if let Some(whole) = self.incoming.whole()? {
                return Ok(self.incoming.answer(&whole));
            }
        }
    }

    /// GETs a path and gives the answer's body; fails unless its status is 200.
    pub(crate) fn get(&mut self, path: &str, token: &str) -> Result<String> {
        let answer = self.exchange(&get(self.address, path, token)).with_context(|| format!("GET {path}"))?;
        body(&answer, 200).with_context(|| format!("GET {path}"))
    }

    /// Sends a JSON body and gives the answer's; fails unless its status is `expected`.
    pub(crate) fn send(&mut self, method: &str, path: &str, token: &str, json: &[u8], expected: u16) -> Result<String> {
        let mut request = Vec::new();
        Head::new(method, self.address, path, token, "").complete(json, &mut request);
        let answer = self.exchange(&request).with_context(|| format!("{method} {path}"))?;
        body(&answer, expected).with_context(|| format!("{method} {path}"))
    }
}

fn body(answer: &Answer<'_>, expected: u16) -> Result<String> {
    if answer.status != expected {
        bail!("{}", described(answer));
    }
    Ok(String::from_utf8_lossy(answer.body).into_owned())
}

/// An answer that was not expected, for people.
pub(crate) fn described(answer: &Answer<'_>) -> String {
    let body: String = String::from_utf8_lossy(answer.body).chars().take(MAX_SHOWN_CHARS).collect();
    format!("answered {} {body}", answer.status)
}
