//! A private Redis Cluster.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::probe::ask;
use super::{POLL, PrivateRedis, RedisOptions};
use crate::error::{Doing, PrivateError};
use crate::{files, port};

/// How many masters; there are no replicas.
const NODES: u16 = 3;
/// How many slots there are (Redis Cluster specification, "Key distribution model").
const SLOTS: u16 = 16_384;
/// When a silent node counts as gone, in milliseconds.
const NODE_TIMEOUT_MS: u64 = 5_000;
const FORM_PATIENCE: Duration = Duration::from_secs(30);

/// Three private masters that share the slots, each as durable as Satchel asks for; Redis 7 or newer. They run until
/// this value is dropped.
#[derive(Debug)]
pub struct PrivateCluster {
    nodes: Vec<PrivateRedis>,
}

impl PrivateCluster {
    /// Starts one below this directory, or again what was there. Blocks until all nodes know all slots.
    ///
    /// # Errors
    /// If a node does not start or they do not come together.
    pub fn start(dir: impl Into<PathBuf>) -> Result<Self, PrivateError> {
        let dir = dir.into();
        let password: SecretString = files::password()?.into();
        let nodes = (0..NODES).map(|number| start_node(&dir, number, &password));
        let cluster = Self { nodes: nodes.collect::<Result<_, _>>()? };
        cluster.form()?;
        Ok(cluster)
    }

    /// `redis://:password@127.0.0.1:port` of each node, comma separated.
    #[must_use]
    pub fn url(&self) -> SecretString {
        let urls = self.nodes.iter().map(|node| node.url().expose_secret().trim_end_matches("/0").to_owned());
        urls.collect::<Vec<_>>().join(",").into()
    }

    /// The nodes: the first third of the slots is the first's.
    pub fn nodes(&mut self) -> &mut [PrivateRedis] {
        &mut self.nodes
    }

    /// Gives every node its slots, if they have none yet, and makes them known to each other.
    fn form(&self) -> Result<(), PrivateError> {
        let end = Instant::now() + FORM_PATIENCE;
        let failed = || "the nodes of a private Redis cluster do not come together".to_owned();
        if !self.nodes.iter().all(|node| self.knows_all(node)) {
            for (number, node) in (0..NODES).zip(&self.nodes) {
                node.take_slots(number).doing(failed)?;
                let others = self.nodes.iter().filter(|other| other.port() != node.port());
                for other in others {
                    let bus = other.bus_port().unwrap_or_default();
                    node.ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port())).doing(failed)?;
                }
            }
        }
        while !self.nodes.iter().all(|node| self.knows_all(node)) {
            if Instant::now() >= end {
                return Err(io::Error::from(io::ErrorKind::TimedOut)).doing(failed);
            }
            sleep(POLL);
        }
        Ok(())
    }

    fn knows_all(&self, node: &PrivateRedis) -> bool {
        let nodes = format!("cluster_known_nodes:{}", self.nodes.len());
        node.ask("CLUSTER INFO").is_ok_and(|info| info.contains("cluster_state:ok") && info.contains(&nodes))
    }
}

fn start_node(dir: &Path, number: u16, password: &SecretString) -> Result<PrivateRedis, PrivateError> {
    let mut options = RedisOptions::new(dir.join(format!("node{number}")));
    options.password = Some(password.clone());
    options.settings = vec![
        "cluster-enabled yes".into(),
        format!("cluster-node-timeout {NODE_TIMEOUT_MS}"),
        format!("cluster-port {}", port::free(None)?),
    ];
    PrivateRedis::start(&options)
}

impl PrivateRedis {
    fn ask(&self, command: &str) -> io::Result<String> {
        ask(&self.conf, &[command])
    }

    /// Where the other nodes speak to it.
    fn bus_port(&self) -> Option<u16> {
        self.conf.settings.iter().find_map(|line| line.strip_prefix("cluster-port ")?.parse().ok())
    }

    /// Takes its part of the slots, if it has none.
    fn take_slots(&self, number: u16) -> io::Result<()> {
        if self.ask("CLUSTER INFO")?.contains("cluster_slots_assigned:0\r\n") {
            let (first, last) = (
                number * (SLOTS / NODES),
                if number + 1 == NODES { SLOTS - 1 } else { (number + 1) * (SLOTS / NODES) - 1 },
            );
            self.ask(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"))?;
        }
        Ok(())
    }
}
