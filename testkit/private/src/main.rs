//! `with-private-postgres SCHEMA_FOLDER COMMAND…` runs a command with `DATABASE_URL` of a scratch Postgres on which
//! every `*.sql` file of the folder was run, in the order of their names. It is how SQL metadata is prepared
//! (`scripts/sqlx-metadata.sh`) before anything that needs that metadata can be built.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use satchel_private::{ExposeSecret, PostgresOptions, PrivatePostgres};

/// The schema grants to them; `satchel migrate` makes them likewise.
const ROLES: [&str; 2] = ["satchel_api", "satchel_worker"];

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("with-private-postgres: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut words = env::args_os().skip(1);
    let (Some(schema), Some(program)) = (words.next(), words.next()) else {
        bail!("usage: with-private-postgres SCHEMA_FOLDER COMMAND…");
    };
    let scratch = Scratch::new()?;
    let options = PostgresOptions { shared_buffers_mib: 32, max_connections: 20, ..PostgresOptions::new(&scratch.dir) };
    let mut postgres = PrivatePostgres::start(&options)?;
    for role in ROLES {
        postgres.psql("satchel", &format!("CREATE ROLE {role} NOLOGIN"))?;
    }
    for file in schema_files(Path::new(&schema))? {
        let sql = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        postgres.psql("satchel", &sql).with_context(|| format!("in {}", file.display()))?;
    }
    let status = Command::new(&program)
        .args(words)
        .env("DATABASE_URL", postgres.superuser_url("satchel").expose_secret())
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    postgres.stop();
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn schema_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    Ok(files)
}

/// A folder of its own in the system's place for temporary files, removed at the end.
struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    fn new() -> Result<Self> {
        let dir = env::temp_dir().join(format!("satchel-private-{}", std::process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { dir })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
