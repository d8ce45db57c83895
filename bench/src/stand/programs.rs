//! Satchel's programs: those that were built together with this one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// The packages and the programs that come of them.
const PACKAGES: [&str; 3] = ["satchel-cli", "satchel-worker", "satchel-api"];
const PROGRAMS: [&str; 3] = ["satchel", "satchel-worker", "satchel-api"];

/// Builds them if they are missing beside this program. A debug build does not: it is there for tests only.
pub(crate) fn ensure_built() -> Result<()> {
    let dir = dir()?;
    if PROGRAMS.iter().all(|program| dir.join(program).is_file()) {
        return Ok(());
    }
    let is_release = dir.file_name().is_some_and(|name| name == "release");
    let (true, Some(target)) = (is_release, dir.parent()) else {
        bail!("{PROGRAMS:?} are not all in {}: build them first (cargo build --workspace --bins)", dir.display());
    };
    eprintln!("bench: building {PACKAGES:?}");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--target-dir"]).arg(target).current_dir(source());
    for package in PACKAGES {
        cargo.args(["-p", package]);
    }
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "{PACKAGES:?} cannot be built");
    Ok(())
}

/// The path of one of them.
pub(crate) fn path(program: &str) -> Result<PathBuf> {
    Ok(dir()?.join(program))
}

/// The target directory that this program is in.
pub(crate) fn target() -> Result<PathBuf> {
    dir()?.parent().map(Path::to_path_buf).context("this program is in no target directory")
}

/// Where this crate's sources are.
pub(crate) fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn dir() -> Result<PathBuf> {
    let program = env::current_exe().context("where this program is")?;
    Ok(program.parent().map(Path::to_path_buf).unwrap_or_default())
}
