//! Starting a contender.

use anyhow::Result;

use super::contender::{Contender, Kind};
use super::peer::Peer;
use super::satchel::{Satchel, Settings};
use super::servers::Servers;

impl Kind {
    /// Starts one on these servers: its API runs, every user has a stock of every item, no worker runs.
    pub(crate) fn start(self, servers: Servers) -> Result<Box<dyn Contender>> {
        Ok(match self {
            Self::Satchel => Box::new(Satchel::start(servers, &Settings::default())?),
            _ => Box::new(Peer::start(self, servers)?),
        })
    }
}
