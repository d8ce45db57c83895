//! `satchel-lint` checks what Cargo and Clippy do not: which crate may use which (`house.rs`), and that no two modules of a
//! crate import each other in a circle. `make lint` runs it from anywhere in the workspace.

mod house;
mod layers;
mod modules;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

use self::workspace::Workspace;

fn main() -> ExitCode {
    let faults = match faults() {
        Ok(faults) => faults,
        Err(error) => vec![format!("{error:#}")],
    };
    for fault in &faults {
        eprintln!("lint: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn faults() -> Result<Vec<String>> {
    let workspace = Workspace::read()?;
    let mut faults = layers::faults(&workspace, &house::LAYERS, &house::MEANS);
    faults.extend(modules::faults(&workspace, &house::KNOWN_CIRCLES)?);
    Ok(faults)
}
