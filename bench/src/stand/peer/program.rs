//! The programs of which each peer consists: scripts for Node, or one program in Rust.

use std::process::Command;

use anyhow::Result;

use super::restate::Restate;
use super::{node, rust, script};
use crate::stand::contender::Kind;
use crate::stand::servers::Servers;

/// Which of a peer's programs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Program {
    Api,
    Worker,
    /// Ends when it has queued so many jobs.
    Fill,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Fill => "fill",
        }
    }
}

/// Installs and builds what a peer needs. Everybody's tables are made by a script for Node.
pub(super) fn ensure_there(kind: Kind) -> Result<()> {
    node::ensure_installed()?;
    if kind == Kind::BullmqRust { rust::ensure_built() } else { Ok(()) }
}

/// One of a peer's programs, told where its servers are.
pub(super) fn command(kind: Kind, program: Program, servers: &Servers, restate: Option<&Restate>) -> Result<Command> {
    let name = program.name();
    let mut command = match kind {
        Kind::BullmqRust => {
            let mut command = Command::new(rust::program()?);
            script::tell(command.arg(name), servers);
            command
        }
        _ => script::node(servers, &[&format!("{}/{name}.mjs", kind.name())]),
    };
    if let Some(restate) = restate {
        restate.tell(&mut command);
    }
    Ok(command)
}
