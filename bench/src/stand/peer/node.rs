//! Node and the peers' packages, installed where they are missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Uid;

use crate::stand::programs;

const OLDEST_NODE: u32 = 20;

/// The one package whose installation needs a script of its own.
const WITH_SCRIPT: &str = "msgpackr-extract";

/// Where the peers are.
pub(crate) fn peers_dir() -> PathBuf {
    programs::source().join("peers")
}

/// Installs Node and the packages of `package-lock.json`, unless they are there.
pub(crate) fn ensure_installed() -> Result<()> {
    if node_version().is_none() {
        install_node()?;
    }
    match node_version() {
        Some(version) if version >= OLDEST_NODE => {}
        Some(version) => {
            bail!("Node {version} is too old for the peers: install Node {OLDEST_NODE}, or use --no-peers")
        }
        None => bail!("Node is still missing after its installation: install it, or use --no-peers"),
    }
    if !has_packages(&peers_dir()) {
        eprintln!("bench: npm ci in bench/peers");
        let mut npm = Command::new("npm");
        // Packages run nothing at their installation, but for one.
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(peers_dir());
        let done = quietly(&mut npm).context("cannot run npm (Debian package npm)")?;
        ensure!(done, "npm ci in bench/peers has failed: repair that, or use --no-peers");
        let mut npm = Command::new("npm");
        npm.args(["rebuild", "--no-audit", "--no-fund", WITH_SCRIPT]).current_dir(peers_dir());
        let done = quietly(&mut npm).context("cannot run npm (Debian package npm)")?;
        ensure!(done, "npm rebuild {WITH_SCRIPT} in bench/peers has failed: repair that, or use --no-peers");
    }
    Ok(())
}

/// The major version.
fn node_version() -> Option<u32> {
    let output = Command::new("node").arg("--version").stdin(Stdio::null()).output().ok()?;
    major(&String::from_utf8_lossy(&output.stdout))
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn install_node() -> Result<()> {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has("apt-get") {
        bail!("install Node {OLDEST_NODE} or newer with npm to measure the peers, or use --no-peers");
    }
    eprintln!("bench: installing nodejs and npm with apt-get");
    for arguments in [["update", "-q", "-y"].as_slice(), &["install", "-q", "-y", "nodejs", "npm"]] {
        let mut command = Command::new(if Uid::effective().is_root() { "apt-get" } else { "sudo" });
        if !Uid::effective().is_root() {
            command.arg("apt-get");
        }
        let done = quietly(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"));
        ensure!(done.context("cannot run apt-get")?, "apt-get {} has failed", arguments.join(" "));
    }
    Ok(())
}

/// Whether npm has installed what the lock file says: it notes that in a file of its own, which is then the newer one.
fn has_packages(peers: &Path) -> bool {
    let changed = |file: &str| -> Option<SystemTime> { fs::metadata(peers.join(file)).ok()?.modified().ok() };
    match (changed("package-lock.json"), changed("node_modules/.package-lock.json")) {
        (Some(wanted), Some(installed)) => installed >= wanted,
        _ => false,
    }
}

/// Runs a command with what it prints on standard error: standard output is for figures.
fn quietly(command: &mut Command) -> Result<bool> {
    Ok(command.stdin(Stdio::null()).stdout(std::io::stderr()).status()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_node_says() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("no version"), None);
    }

    #[test]
    fn packages_are_there_when_npm_has_noted_them_after_the_lock_file_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_packages(dir.path()));
        fs::write(dir.path().join("package-lock.json"), "{}").unwrap();
        assert!(!has_packages(dir.path()));
        fs::create_dir(dir.path().join("node_modules")).unwrap();
        fs::write(dir.path().join("node_modules/.package-lock.json"), "{}").unwrap();
        assert!(has_packages(dir.path()));
    }
}
