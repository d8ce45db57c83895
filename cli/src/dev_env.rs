//! `dev.env`: the settings of one `satchel dev`, kept in its data directory.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use satchel_private::write_private;

use crate::environment::Environment;

/// The file in the data directory.
pub(crate) const FILE: &str = "dev.env";

/// Reads `dev.env`.
pub(crate) fn read(data_dir: &Path) -> Result<Environment> {
    let path = data_dir.join(FILE);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: has `satchel dev` run with this data directory?", path.display()))?;
    Ok(parse(&text))
}

/// Writes `dev.env`: `NAME='value'` lines that a shell can read too, for its owner only.
pub(crate) fn write<'a>(data_dir: &Path, kept: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let mut lines = vec!["# Written by `satchel dev` at each start; the secrets in it are kept.\n".to_owned()];
    lines.extend(kept.map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', r"'\''"))));
    Ok(write_private(&data_dir.join(FILE), &lines.concat())?)
}

/// Reads what [`write`] writes, and plain `NAME=value`.
pub(crate) fn parse(text: &str) -> Environment {
    let mut environment = Environment::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        environment.set(name, quoted.map_or_else(|| value.to_owned(), |value| value.replace(r"'\''", "'")));
    }
    environment
}
