//! The API's port, taken before anything else is started.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};
use tokio::net::TcpSocket;

/// Connections that may wait to be accepted; the standard library's 128 is too few for a burst.
const BACKLOG: u32 = 1024;

/// Listens on `address`.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen()
        .map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => anyhow::anyhow!("port {} is in use: choose another with --port", address.port()),
            _ => error.into(),
        })
        .with_context(|| format!("cannot listen on {address}"))
}
