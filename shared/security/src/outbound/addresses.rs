//! Which addresses are of the public Internet (IANA's special-purpose address registries, RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use satchel_settings::Env;

/// Addresses of IPv4 that are not of the public Internet.
const PRIVATE_V4: [Ipv4Net; 16] = [
    v4([0, 0, 0, 0], 8),        // this network
    v4([10, 0, 0, 0], 8),       // private
    v4([100, 64, 0, 0], 10),    // carriers' NAT
    v4([127, 0, 0, 0], 8),      // loopback
    v4([168, 63, 129, 16], 32), // Azure's services for a machine itself
    v4([169, 254, 0, 0], 16),   // link-local, and clouds' metadata
    v4([172, 16, 0, 0], 12),    // private
    v4([192, 0, 0, 0], 24),     // protocol assignments
    v4([192, 0, 2, 0], 24),     // documentation
    v4([192, 88, 99, 0], 24),   // relays of 6to4
    v4([192, 168, 0, 0], 16),   // private
    v4([198, 18, 0, 0], 15),    // benchmarks
    v4([198, 51, 100, 0], 24),  // documentation
    v4([203, 0, 113, 0], 24),   // documentation
    v4([224, 0, 0, 0], 4),      // multicast
    v4([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// What of IPv6 is assigned to the public Internet.
const GLOBAL_V6: Ipv6Net = v6(0x2000 << 112, 3);
/// What of that is not.
const PRIVATE_V6: [Ipv6Net; 3] = [
    v6(0x2001 << 112, 23),     // protocol assignments, with Teredo and benchmarks
    v6(0x2001_0db8 << 96, 32), // documentation
    v6(0x3fff << 112, 20),     // documentation
];

/// Addresses of IPv6 that lead to one of IPv4, and after how many bytes it stands in them.
const EMBEDDING: [(Ipv6Net, usize); 3] = [
    (v6(0xffff << 32, 96), 12),      // mapped
    (v6(0x0064_ff9b << 96, 96), 12), // NAT64
    (v6(0x2002 << 112, 16), 2),      // 6to4
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(address: u128, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(address), prefix)
}

/// What may be sent to beside the public Internet by `https`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Networks that may be reached though they are not of the public Internet. Default: none.
    networks: Vec<IpNet>,
    /// Whether `http` may be used everywhere. Default: to addresses in `networks` alone.
    pub(super) http: bool,
}

/// A text that is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be networks such as 10.1.0.0/16,127.0.0.1/32, not {0:?}")]
pub struct InvalidAllowed(String);

impl Allowed {
    /// `SATCHEL_OUTBOUND_ALLOW` and `SATCHEL_OUTBOUND_ALLOW_HTTP`; faults are noted in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let http = env.or("SATCHEL_OUTBOUND_ALLOW_HTTP", false);
        Self { http, ..env.or("SATCHEL_OUTBOUND_ALLOW", Self::default()) }
    }

    /// Whether the operator has named this address.
    pub(super) fn names(&self, address: IpAddr) -> bool {
        let meant = embedded(address).map_or(address, IpAddr::V4);
        self.networks.iter().any(|network| network.contains(&address) || network.contains(&meant))
    }

    /// Whether something may be sent to this address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        is_global(embedded(address).map_or(address, IpAddr::V4)) || self.names(address)
    }
}

impl FromStr for Allowed {
    type Err = InvalidAllowed;

    fn from_str(text: &str) -> Result<Self, InvalidAllowed> {
        let network = |part: &str| part.trim().parse().map_err(|_| InvalidAllowed(part.to_owned()));
        let networks = text.split(',').map(network).collect::<Result<_, _>>()?;
        Ok(Self { networks, ..Self::default() })
    }
}

/// The address of IPv4 to which one of IPv6 leads.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let (_, at) = EMBEDDING.iter().find(|(network, _)| network.contains(&address))?;
    let bytes: [u8; 4] = address.octets().get(*at..at + 4)?.try_into().ok()?;
    Some(bytes.into())
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => PRIVATE_V4.iter().all(|network| !network.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && PRIVATE_V6.iter().all(|network| !network.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(allowed: &str, address: &str) -> bool {
        let allowed: Allowed = if allowed.is_empty() { Allowed::default() } else { allowed.parse().unwrap() };
        allowed.permits(address.parse().unwrap())
    }

    #[test]
    fn the_first_and_the_last_address_of_each_private_network_are_refused_and_their_neighbours_are_not() {
        let networks = [
            ("0.0.0.0", "0.255.255.255", "", "1.0.0.0"),
            ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
            ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
            ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
            ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
            ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
            ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
            ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
            ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
            ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
            ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
            ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
            ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
            ("224.0.0.0", "255.255.255.255", "223.255.255.255", ""),
            ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", "2000::"),
            ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff::", ""),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff::", "2001:200::"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7::", "2001:db9::"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe::", "3fff:1000::"),
        ];
        for (first, last, before, after) in networks {
            assert!(!permits("", first) && !permits("", last), "{first} to {last}");
            for neighbour in [before, after].into_iter().filter(|address| !address.is_empty()) {
                assert!(permits("", neighbour), "{neighbour}");
            }
        }
    }

    #[test]
    fn well_known_addresses_are_refused_or_not() {
        for refused in [
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::",
            "168.63.129.16",
            "169.254.169.254",
            "fd00:ec2::254",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "fec0::1",
            "255.255.255.255",
            "100::1",
            "64:ff9b:1::808:808",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        ] {
            assert!(!permits("", refused), "{refused}");
        }
        for fine in ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1"] {
            assert!(permits("", fine), "{fine}");
        }
    }

    #[test]
    fn an_address_that_embeds_another_one_is_as_good_as_that() {
        for (private, public) in [
            ("::ffff:127.0.0.1", "::ffff:8.8.8.8"),
            ("::ffff:169.254.169.254", "::ffff:1.1.1.1"),
            ("64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8"),
            ("2002:7f00:1::1", "2002:808:808::1"),
            ("2002:c0a8:101::", "2002:102:304::"),
        ] {
            assert!(!permits("", private), "{private}");
            assert!(permits("", public), "{public}");
        }
        // Compatible ones are of the past: nobody needs them.
        assert!(!permits("", "::127.0.0.1") && !permits("", "::8.8.8.8"));
    }

    #[test]
    fn what_is_allowed_is_permitted_in_each_form_and_nothing_beside_it() {
        let allowed = "127.0.0.1/32, fd12::/16";
        for fine in ["127.0.0.1", "::ffff:127.0.0.1", "fd12::5", "8.8.8.8"] {
            assert!(permits(allowed, fine), "{fine}");
        }
        for refused in ["127.0.0.2", "::1", "fd13::5", "10.0.0.1", "169.254.169.254"] {
            assert!(!permits(allowed, refused), "{refused}");
        }
        assert_eq!("127.0.0.1/32,home".parse::<Allowed>(), Err(InvalidAllowed("home".into())));
        assert!("127.0.0.1".parse::<Allowed>().is_err());
    }
}
