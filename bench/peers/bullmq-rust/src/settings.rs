//! What a process is told by its environment.

use std::env;

use anyhow::{Context, Result, ensure};

/// A variable that has no default.
pub(crate) fn required(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set"))
}

/// A text, or its default.
pub(crate) fn text(name: &str, fallback: &str) -> String {
    env::var(name).unwrap_or_else(|_| fallback.to_owned())
}

/// A whole number of at least 1.
pub(crate) fn count(name: &str, fallback: usize) -> Result<usize> {
    let Ok(text) = env::var(name) else { return Ok(fallback) };
    let count = text.parse().with_context(|| format!("{name} must be a whole number of at least 1"))?;
    ensure!(count >= 1, "{name} must be a whole number of at least 1");
    Ok(count)
}
