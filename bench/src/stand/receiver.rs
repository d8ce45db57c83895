//! A receiver of webhooks that answers at once: what functions have to do with it is all their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Result;

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// See the module. It listens as long as the process lives.
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<AtomicU64>,
}

impl Receiver {
    /// Listens on a port of its own.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let received = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // It ends with its connection.
                thread::spawn(move || answer(stream, &counted));
            }
        });
        Ok(Self { address, received })
    }

    /// Where to post to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// How many messages have come.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// Answers until the connection ends, however it does.
fn answer(stream: TcpStream, received: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line)? > 2 {
            let field = line.to_ascii_lowercase();
            if let Some(value) = field.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        reader.read_exact(&mut vec![0; length])?;
        received.fetch_add(1, Ordering::Relaxed);
        reader.get_mut().write_all(ANSWER)?;
    }
}
