//! Bounds what one address may cost by bad credentials: beyond so many a minute it is answered `429` unread. A credential
//! that was good within the hour is always looked at: who sends bad ones from behind the same address stops nobody.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::http::address::network;

/// Refusals are counted over so long, in seconds, from an address's first one on.
const WINDOW_SECONDS: u64 = 60;

/// The most addresses that are counted at once; the one that was met longest ago is forgotten first.
const MAX_ADDRESSES: u64 = 100_000;

/// A good credential is known for so long, in seconds.
const KNOWN_SECONDS: u64 = 3_600;

/// The most good credentials that are known at once.
const MAX_KNOWN: u64 = 200_000;

/// See the module.
pub(super) struct Limit {
    /// Refusals in a window; 0 for no limit.
    per_window: u32,
    refused: Cache<IpAddr, Arc<Window>>,
    /// Of good credentials the SHA-256, so that memory holds none.
    known: Cache<[u8; 32], ()>,
}

struct Window {
    began: Instant,
    refused: AtomicU32,
}

impl Limit {
    pub(super) fn new(per_window: u32) -> Self {
        let refused = Cache::builder()
            .max_capacity(MAX_ADDRESSES)
            .time_to_live(Duration::from_secs(WINDOW_SECONDS))
            .eviction_policy(EvictionPolicy::lru())
            .build();
        let known = Cache::builder()
            .max_capacity(MAX_KNOWN)
            .time_to_live(Duration::from_secs(KNOWN_SECONDS))
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { per_window, refused, known }
    }

    /// Whether this credential from there is looked at; else in how many seconds it is.
    pub(super) fn admit(&self, from: Option<IpAddr>, credential: &[u8; 32]) -> Result<(), u64> {
        let Some(from) = from.filter(|_| self.per_window > 0) else { return Ok(()) };
        let Some(window) = self.refused.get(&network(from)) else { return Ok(()) };
        if window.refused.load(Ordering::Relaxed) < self.per_window || self.known.contains_key(credential) {
            return Ok(());
        }
        Err(WINDOW_SECONDS.saturating_sub(window.began.elapsed().as_secs()).max(1))
    }

    /// Notes that a credential was good.
    pub(super) fn know(&self, credential: [u8; 32]) {
        if self.per_window > 0 && !self.known.contains_key(&credential) {
            self.known.insert(credential, ());
        }
    }

    /// Notes that one was bad.
    pub(super) fn refuse(&self, from: Option<IpAddr>) {
        let Some(from) = from.filter(|_| self.per_window > 0) else { return };
        let first = || Arc::new(Window { began: Instant::now(), refused: AtomicU32::new(0) });
        self.refused.get_with(network(from), first).refused.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as the limit takes it")]
    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn beyond_its_limit_an_address_is_not_looked_at_any_more_but_for_what_was_good_before() {
        let limit = Limit::new(3);
        limit.know([1; 32]);
        for _ in 0..3 {
            assert_eq!(limit.admit(from("192.0.2.1"), &[9; 32]), Ok(()));
            limit.refuse(from("192.0.2.1"));
        }
        assert!(limit.admit(from("192.0.2.1"), &[9; 32]).is_err_and(|wait| (1..=60).contains(&wait)));
        assert!(limit.admit(from("::ffff:192.0.2.1"), &[9; 32]).is_err());
        assert_eq!(limit.admit(from("192.0.2.1"), &[1; 32]), Ok(()));
        assert_eq!(limit.admit(from("192.0.2.2"), &[9; 32]), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let limit = Limit::new(1);
        limit.refuse(from("2001:db8::1"));
        assert!(limit.admit(from("2001:db8::ffff:2"), &[9; 32]).is_err());
        assert!(limit.admit(from("2001:db8:0:1::1"), &[9; 32]).is_ok());
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = Limit::new(0);
        limit.refuse(from("192.0.2.1"));
        assert_eq!(limit.admit(from("192.0.2.1"), &[9; 32]), Ok(()));
    }
}
