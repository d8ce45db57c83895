//! The peer that is written in Rust: a workspace of its own, built when it is needed.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::node;
use crate::stand::programs;

const FOLDER: &str = "bullmq-rust";
const PROGRAM: &str = "bullmq-rust-peer";

/// Builds it, optimised even where we are not; does nothing if it is built.
pub(super) fn ensure_built() -> Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(target()?);
    // What it prints must not come among the figures.
    cargo.current_dir(node::peers_dir().join(FOLDER)).stdin(Stdio::null()).stdout(std::io::stderr());
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "bench/peers/{FOLDER} cannot be built: repair that, or use --no-peers");
    Ok(())
}

/// Its path.
pub(super) fn program() -> Result<PathBuf> {
    Ok(target()?.join("release").join(PROGRAM))
}

/// Not Satchel's own: there both would wait for each other's builds.
fn target() -> Result<PathBuf> {
    Ok(programs::target()?.join("peers"))
}
