//! Asking a Redis who it is.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use secrecy::ExposeSecret;

use super::conf::Conf;

const TIMEOUT: Duration = Duration::from_millis(300);
const MAX_REPLY_BYTES: u64 = 64 * 1024;

/// The process id of the server that answers on the port and takes the password; none while it loads its data.
pub(crate) fn process_id(conf: &Conf) -> Option<i32> {
    let reply = ask(conf).ok()?;
    if !reply.starts_with("+OK") || reply.contains("\r\n-LOADING") {
        return None;
    }
    reply.lines().find_map(|line| line.strip_prefix("process_id:"))?.trim().parse().ok()
}

/// Inline commands (Redis protocol specification, "Inline commands"); `PING` shows whether it still loads.
fn ask(conf: &Conf) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, conf.port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let commands = format!("AUTH {}\r\nDBSIZE\r\nINFO server\r\nQUIT\r\n", conf.password.expose_secret());
    stream.write_all(commands.as_bytes())?;
    let mut reply = String::new();
    stream.take(MAX_REPLY_BYTES).read_to_string(&mut reply)?;
    Ok(reply)
}
