//! The workspace's crates, as Cargo tells of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What crates' names begin with; left out everywhere else.
const PREFIX: &str = "satchel-";

/// The kinds of targets that are shipped, as opposed to tests.
const SHIPPED: [&str; 2] = ["lib", "bin"];

/// All crates of the workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) crates: Vec<Crate>,
}

/// One crate.
#[derive(Debug)]
pub(crate) struct Crate {
    /// Its name without the project's.
    pub(crate) name: String,
    /// The first file of its library and of each of its programs.
    pub(crate) roots: Vec<PathBuf>,
    /// What its Cargo.toml names, those of this workspace without the project's name. What only tests use does not count.
    pub(crate) dependencies: BTreeSet<String>,
}

/// `cargo metadata`, as far as it matters here (The Cargo Book, "cargo metadata").
#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None for ordinary ones, else `dev` or `build`.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

impl Workspace {
    /// The workspace of the current directory.
    ///
    /// # Errors
    /// If Cargo cannot tell.
    pub(crate) fn read() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        let output = command.output().context("cannot run cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
        let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        let crates = metadata.packages.into_iter().map(Crate::from).collect();
        Ok(Self { root: metadata.workspace_root, crates })
    }
}

impl From<Package> for Crate {
    fn from(package: Package) -> Self {
        let shipped = |target: &Target| target.kind.iter().any(|kind| SHIPPED.contains(&kind.as_str()));
        let ordinary = package.dependencies.iter().filter(|dependency| dependency.kind.is_none());
        Self {
            name: short(&package.name),
            roots: package
                .targets
                .iter()
                .filter(|target| shipped(target))
                .map(|target| target.src_path.clone())
                .collect(),
            dependencies: ordinary.map(|dependency| short(&dependency.name)).collect(),
        }
    }
}

fn short(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).to_owned()
}
