//! A kept connection of the closed loop.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::{Answer, Incoming};

/// One connection, one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    incoming: Incoming,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, incoming: Incoming::new() })
    }

    /// Sends a request and reads the answer to it.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.incoming.clear();
        self.stream.write_all(request).await?;
        loop {
            let bytes = self.stream.read(self.incoming.room()?).await?;
            self.incoming.read(bytes)?;
            if let Some(whole) = self.incoming.whole()? {
                return Ok(self.incoming.answer(&whole));
            }
        }
    }
}
