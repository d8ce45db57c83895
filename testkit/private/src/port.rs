//! Free ports.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Doing, PrivateError};

/// Below the ranges from which Linux (32768–60999) and macOS (49152–65535) take ports for outgoing connections:
/// a client that reconnects while a server is down could otherwise be given the server's own port.
const FIRST: u16 = 15_000;
const SPAN: u16 = 17_000;
const MAX_TRIES: u32 = 200;

/// A port of 127.0.0.1 that was free a moment ago, and is none that systems give to outgoing connections.
///
/// # Errors
/// If none is found.
pub fn free_port() -> Result<u16, PrivateError> {
    free(None)
}

/// The same, `preferred` if that is free.
pub(crate) fn free(preferred: Option<u16>) -> Result<u16, PrivateError> {
    if let Some(port) = preferred.filter(|port| is_free(*port)) {
        return Ok(port);
    }
    for _ in 0..MAX_TRIES {
        let random = getrandom::u32()
            .map_err(|error| io::Error::other(error.to_string()))
            .doing(|| "the system has no randomness to give".into())?;
        let port = FIRST + u16::try_from(random % u32::from(SPAN)).unwrap_or_default();
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(PrivateError::NoPort)
}

fn is_free(port: u16) -> bool {
    let bound: io::Result<TcpListener> = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bound.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preferred_port_is_taken_only_if_it_is_free() {
        let port = free(None).unwrap();
        assert!((FIRST..FIRST + SPAN).contains(&port));
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_ne!(free(Some(port)).unwrap(), port);
        drop(held);
        assert_eq!(free(Some(port)).unwrap(), port);
    }
}
