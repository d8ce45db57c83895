//! As much of HTTP/1.1 (RFC 9112) as a load generator needs: requests that are mostly made beforehand, and answers
//! with a Content-Length on a connection that is kept.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::Range;

/// An answer's head and body together may not be longer.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const FIRST_ROOM_BYTES: usize = 4 * 1024;
const MAX_HEADERS: usize = 32;

/// A GET request, whole.
pub(crate) fn get(address: SocketAddr, path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// A POST or PUT request with a JSON body that is still to come.
#[derive(Debug, Clone)]
pub(crate) struct Head(Vec<u8>);

impl Head {
    /// `method` is `POST` or `PUT`; `further` are header lines, each with its CRLF.
    pub(crate) fn new(method: &str, address: SocketAddr, path: &str, token: &str, further: &str) -> Self {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{further}\
             Content-Type: application/json\r\nContent-Length: "
        );
        Self(head.into_bytes())
    }

    /// Makes `request` the whole request with this body.
    pub(crate) fn complete(&self, body: &[u8], request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(&self.0);
        // Writing to a vector does not fail.
        let _ = write!(request, "{}\r\n\r\n", body.len());
        request.extend_from_slice(body);
    }
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// A whole answer within what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    status: u16,
    body: Range<usize>,
}

/// What has come of an answer so far. One answer at a time: the next request is sent after it.
#[derive(Debug)]
pub(crate) struct Incoming {
    buffer: Vec<u8>,
    filled: usize,
    /// The parsed head, so that a long body does not parse it at each read.
    head: Option<Whole>,
}

impl Incoming {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; FIRST_ROOM_BYTES], filled: 0, head: None }
    }

    /// Forgets the answer before.
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
        self.head = None;
    }

    /// Where to read to; never empty.
    pub(crate) fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.filled == self.buffer.len() {
            if self.filled >= MAX_ANSWER_BYTES {
                return Err(bad("an answer is too long"));
            }
            self.buffer.resize(self.filled * 2, 0);
        }
        Ok(self.buffer.get_mut(self.filled..).unwrap_or_default())
    }

    /// Notes that so many bytes were read; none means that the other side has closed.
    pub(crate) fn read(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before the answer was whole"));
        }
        self.filled += bytes;
        Ok(())
    }

    /// The place of the answer, once it is whole.
    pub(crate) fn whole(&mut self) -> io::Result<Option<Whole>> {
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        if self.head.is_none() {
            self.head = parse_head(bytes)?;
        }
        let Some(whole) = &self.head else { return Ok(None) };
        if whole.body.end < self.filled {
            return Err(bad("more came than the answer"));
        }
        Ok((whole.body.end == self.filled).then(|| whole.clone()))
    }

    /// The answer at this place.
    pub(crate) fn answer(&self, whole: &Whole) -> Answer<'_> {
        Answer { status: whole.status, body: self.buffer.get(whole.body.clone()).unwrap_or_default() }
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<Whole>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(bytes).map_err(|error| bad(&error.to_string()))?;
    let httparse::Status::Complete(head_bytes) = status else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body_bytes: usize = match length {
        // RFC 9112, section 6.3: these never have a body.
        None if status == 204 || status == 304 => 0,
        None => return Err(bad("an answer without Content-Length")),
        Some(_) if status == 304 => 0,
        Some(header) => {
            let text = str::from_utf8(header.value).unwrap_or_default();
            text.trim().parse().map_err(|_| bad("a Content-Length that is no number"))?
        }
    };
    if body_bytes > MAX_ANSWER_BYTES {
        return Err(bad("an answer is too long"));
    }
    Ok(Some(Whole { status, body: head_bytes..head_bytes + body_bytes }))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the bytes in pieces and gives what was whole at the end.
    fn fed(pieces: &[&[u8]]) -> io::Result<Option<(u16, Vec<u8>)>> {
        let mut incoming = Incoming::new();
        let mut last = None;
        for piece in pieces {
            assert_eq!(last, None, "whole before its end");
            for part in piece.chunks(1_024) {
                incoming.room()?[..part.len()].copy_from_slice(part);
                incoming.read(part.len())?;
            }
            last = incoming.whole()?;
        }
        Ok(last.map(|whole| (incoming.answer(&whole).status, incoming.answer(&whole).body.to_vec())))
    }

    #[test]
    fn an_answer_is_whole_however_it_is_split() {
        let answer = b"HTTP/1.1 202 Accepted\r\nX: y\r\ncontent-length: 5\r\n\r\nhello";
        for cut in 1..answer.len() {
            let (first, second) = answer.split_at(cut);
            assert_eq!(fed(&[first, second]).unwrap(), Some((202, b"hello".to_vec())), "cut at {cut}");
        }
    }

    #[test]
    fn a_body_may_be_longer_than_the_first_room() {
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec();
        answer.extend(vec![b'x'; 100_000]);
        assert_eq!(fed(&[&answer]).unwrap().unwrap().1.len(), 100_000);
    }

    #[test]
    fn answers_that_cannot_be_followed_are_errors() {
        assert!(fed(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]).is_err());
        assert!(fed(&[b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc"]).is_err());
        assert!(fed(&[b"SSH-2.0-x\r\n\r\n"]).is_err());
        assert!(Incoming::new().read(0).is_err());
    }

    #[test]
    fn not_modified_has_no_body_whatever_its_length_says() {
        assert_eq!(fed(&[b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"]).unwrap(), Some((304, Vec::new())));
        assert_eq!(fed(&[b"HTTP/1.1 204 No Content\r\n\r\n"]).unwrap(), Some((204, Vec::new())));
    }

    #[test]
    fn a_request_says_how_long_its_body_is() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let mut request = b"old".to_vec();
        Head::new("POST", address, "/jobs", "t", "Prefer: wait=5\r\n").complete(b"{}", &mut request);
        let expected = "POST /jobs HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAuthorization: Bearer t\r\nPrefer: wait=5\r\n\
                        Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(String::from_utf8(request).unwrap(), expected);
    }
}
