//! What one connection may cost: one address has so many of them, and an answer that nobody takes ends its connection.

use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Shutdown};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use metrics::{Gauge, counter, describe_counter, describe_gauge, gauge};
use satchel_settings::{Env, Networks};
use socket2::SockRef;

use super::address::network;

const OPEN: &str = "satchel_api_connections";
const REFUSED: &str = "satchel_api_connections_refused_total";

/// The most connections of one address.
const PER_ADDRESS: u32 = 2_000;

/// How long an answer may stay where it is, in milliseconds.
const ANSWER_STALL_MS: u32 = 30_000;
/// The least and most that can be asked for, in milliseconds.
const MIN_ANSWER_STALL_MS: u32 = 1_000;
const MAX_ANSWER_STALL_MS: u32 = 3_600_000;

/// What is asked of connections.
pub(crate) struct Rules {
    /// `SATCHEL_CONNECTIONS_PER_ADDRESS`: default 2,000; 0 for no limit. Trusted proxies have none.
    per_address: u32,
    /// `SATCHEL_TRUSTED_PROXIES`.
    proxies: Networks,
    /// `SATCHEL_ANSWER_STALL_MS`: how long a client may take nothing of an answer. Default 30 s.
    pub(crate) stall: Duration,
}

impl Rules {
    /// Reads the environment; faults are noted in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        let stall = MIN_ANSWER_STALL_MS..=MAX_ANSWER_STALL_MS;
        Self {
            per_address: env.or("SATCHEL_CONNECTIONS_PER_ADDRESS", PER_ADDRESS),
            proxies: env.or("SATCHEL_TRUSTED_PROXIES", Networks::default()),
            stall: Duration::from_millis(env.number_or("SATCHEL_ANSWER_STALL_MS", stall, ANSWER_STALL_MS).into()),
        }
    }
}

/// The connections that there are.
pub(crate) struct Connections {
    rules: Rules,
    /// By address; one without connections is not in it.
    open: Mutex<HashMap<IpAddr, u32>>,
    gauge: Gauge,
}

impl Connections {
    pub(crate) fn new(rules: Rules) -> Arc<Self> {
        describe_gauge!(OPEN, "Connections of clients");
        describe_counter!(REFUSED, "Connections closed at once, since their address has too many");
        Arc::new(Self { rules, open: Mutex::default(), gauge: gauge!(OPEN) })
    }

    /// Notes a new connection, or closes it if its address has too many.
    pub(crate) fn open(self: &Arc<Self>, io: &dyn Any, data: &mut Extensions) {
        let Some(stream) = io.downcast_ref::<TcpStream>() else { return };
        let socket = SockRef::from(stream);
        limit_stall(&socket, self.rules.stall);
        let Ok(peer) = stream.peer_addr() else { return };
        if let Some(place) = self.enter(peer.ip()) {
            data.insert(place);
        } else {
            counter!(REFUSED).increment(1);
            // Reading it ends at once, and with that the connection.
            drop(socket.shutdown(Shutdown::Both));
        }
    }

    /// A place for a connection from there, if there is one left.
    fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let address = Some(network(peer)).filter(|_| self.rules.per_address > 0 && !self.rules.proxies.contains(peer));
        if let Some(address) = address {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let connections = open.entry(address).or_default();
            if *connections == self.rules.per_address {
                return None;
            }
            *connections += 1;
        }
        self.gauge.increment(1);
        Some(Place { connections: Arc::clone(self), address })
    }
}

/// A connection, counted until it is dropped.
struct Place {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.gauge.decrement(1);
        let Some(address) = self.address else { return };
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = open.get_mut(&address) {
            *connections -= 1;
            if *connections == 0 {
                open.remove(&address);
            }
        }
    }
}

/// Lets the kernel end the connection when what was sent is not taken for so long: not acknowledged, or no room for it.
#[cfg(target_os = "linux")]
fn limit_stall(socket: &SockRef<'_>, stall: Duration) {
    if let Err(error) = socket.set_tcp_user_timeout(Some(stall)) {
        tracing::debug!(%error, "a connection has no deadline for answers");
    }
}

/// Other systems have no such deadline.
#[cfg(not(target_os = "linux"))]
fn limit_stall(_: &SockRef<'_>, _: Duration) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_a_proxy_as_many_as_it_likes() {
        let rules = Rules { per_address: 2, proxies: "10.0.0.1".parse().unwrap(), stall: Duration::from_secs(1) };
        let connections = Connections::new(rules);
        let enter = |address: &str| connections.enter(address.parse().unwrap());
        let (first, second) = (enter("192.0.2.1"), enter("192.0.2.1"));
        assert!(first.is_some() && second.is_some() && enter("::ffff:192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some(), "another one");
        drop(first);
        let third = enter("192.0.2.1");
        assert!(third.is_some() && enter("192.0.2.1").is_none());
        let proxied: Vec<_> = (0..5).map(|_| enter("10.0.0.1")).collect();
        assert!(proxied.iter().all(Option::is_some));
        drop((second, third));
        assert!(connections.open.lock().unwrap().is_empty(), "nobody who is gone is remembered");
    }
}
