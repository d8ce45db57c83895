//! Scripts for Node, told where their servers are.

use std::process::Command;

use super::node;
use crate::stand::servers::Servers;

/// Node with these arguments in the peers' directory.
pub(super) fn node(servers: &Servers, arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(node::peers_dir()).env("NODE_ENV", "production");
    tell(&mut command, servers);
    command
}

/// Tells a program where the servers are.
pub(super) fn tell(command: &mut Command, servers: &Servers) {
    command.env("PG_URL", servers.superuser_url()).env("REDIS_URL", servers.redis_url());
}
