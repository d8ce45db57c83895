//! A list of networks.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Networks, or single addresses, comma separated in a setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A text that is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be networks or addresses such as 10.1.0.0/16,192.168.1.7, not {0:?}")]
pub struct InvalidNetworks(String);

impl Networks {
    /// Whether one of them has this address; one of IPv4 that is written as one of IPv6 is taken for what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = InvalidNetworks;

    fn from_str(text: &str) -> Result<Self, InvalidNetworks> {
        let network = |part: &str| {
            let part = part.trim();
            let single = || part.parse::<IpAddr>().map(IpNet::from);
            part.parse().or_else(|_| single()).map_err(|_| InvalidNetworks(part.to_owned()))
        };
        text.split(',').map(network).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_single_addresses_are_read() {
        let networks: Networks = "10.1.0.0/16, 192.168.1.7,fd00::/8".parse().unwrap();
        for inside in ["10.1.255.1", "192.168.1.7", "::ffff:10.1.0.1", "fd12::1"] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.2.0.1", "192.168.1.8", "::1"] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!("home".parse::<Networks>().is_err() && "10.0.0.1,".parse::<Networks>().is_err());
    }
}
