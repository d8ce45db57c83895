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
    let reply = ask(conf, &["DBSIZE", "INFO server"]).ok()?;
    if reply.contains("\r\n-LOADING") {
        return None;
    }
    reply.lines().find_map(|line| line.strip_prefix("process_id:"))?.trim().parse().ok()
}

/// What the server that takes the password answers to inline commands (Redis protocol specification, "Inline commands"),
/// all of it.
pub(crate) fn ask(conf: &Conf, commands: &[&str]) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, conf.port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let commands = format!("AUTH {}\r\n{}\r\nQUIT\r\n", conf.password.expose_secret(), commands.join("\r\n"));
    stream.write_all(commands.as_bytes())?;
    let mut reply = String::new();
    stream.take(MAX_REPLY_BYTES).read_to_string(&mut reply)?;
    if reply.starts_with("+OK") { Ok(reply) } else { Err(io::Error::other(reply)) }
}
