//! Where commands get their settings.

use std::path::PathBuf;

use clap::Args;

use crate::dev_env;
use crate::environment::Environment;

/// Where settings come from; each command that needs any has it.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Use the settings of the `satchel dev` with this data directory instead of the environment's.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Settings {
    /// The environment, overlaid with `dev.env` if a data directory is given.
    pub(crate) fn environment(&self) -> anyhow::Result<Environment> {
        let mut environment = Environment::process();
        if let Some(dir) = &self.data_dir {
            environment.overlay(dev_env::read(dir)?);
        }
        Ok(environment)
    }
}
