//! Tokens, made by Satchel's own program. The peers take the same ones.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::programs;

/// A token of `role` (`service` with all scopes, `operator`, `player`) for `subject`, valid for a day.
pub(crate) fn mint(secret: &str, role: &str, subject: &str) -> Result<String> {
    let mut command = Command::new(programs::path("satchel")?);
    command.args(["token", "--ttl", "1d", "--role", role, "--sub", subject]);
    command.env_clear().env("SATCHEL_JWT_SECRET", secret).stdin(Stdio::null());
    let output = command.output().context("cannot run satchel token")?;
    ensure!(output.status.success(), "satchel token: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
