//! Addresses of clients.

use std::net::{IpAddr, Ipv6Addr};

/// What counts as one address: of IPv6 a network of 64 bits, which every household has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}
