//! `satchel catalogue publish`, and the sample that `satchel dev` begins with.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use satchel_forms::{Faults, Node};
use satchel_model::catalogue::{Catalogue, Difference};
use satchel_model::ids::RequestId;
use satchel_store::catalogue::{self, Publication, Publish, PublishError, Warning};
use satchel_store::{Pool, PoolConfig, Program};
use satchel_wire::Fresh;

use crate::environment::Environment;
use crate::settings::Settings;

const SAMPLE: &str = include_str!("../../catalogue/sample.json");

#[derive(Debug, Subcommand)]
pub(crate) enum CatalogueCommand {
    /// Publish a document as the next version.
    Publish(PublishArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// A JSON file with the whole catalogue; `-` for standard input.
    file: PathBuf,
    /// Check it and say what would change, but publish nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(command: CatalogueCommand) -> Result<()> {
    let CatalogueCommand::Publish(args) = command;
    let file = if is_stdin(&args.file) { "standard input".to_owned() } else { args.file.display().to_string() };
    let text = read(&args.file).with_context(|| format!("cannot read {file}"))?;
    let pool = pool(&args.settings.environment()?)?;
    let publication = publish(&pool, &text, "operator:cli", args.dry_run).await.context(file)?;
    println!("{}", told(&publication));
    for Warning { pointer, detail } in &publication.warnings {
        println!("warning: {pointer}: {detail}");
    }
    Ok(())
}

/// Publishes the sample catalogue if none was ever published.
pub(crate) async fn publish_sample(environment: &Environment) -> Result<()> {
    let pool = pool(environment)?;
    if catalogue::current(&pool).await.context("cannot read the catalogue")?.is_none() {
        publish(&pool, SAMPLE.as_bytes(), "operator:dev", false).await.context("the sample catalogue")?;
        tracing::info!("published the sample catalogue");
    }
    pool.close().await;
    Ok(())
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if !is_stdin(file) {
        return fs::read(file);
    }
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    Ok(text)
}

fn pool(environment: &Environment) -> Result<Pool> {
    let mut env = environment.reader();
    let config = PoolConfig::from_env(&mut env, Program::Api, "satchel-catalogue", 1);
    env.finish()?;
    Pool::new(&config).context("cannot use DATABASE_URL")
}

async fn publish(pool: &Pool, text: &[u8], actor: &str, dry_run: bool) -> Result<Publication> {
    let document = Node::parse(text).context("is not JSON")?;
    let catalogue = match Catalogue::parse_new(document) {
        Ok(catalogue) => catalogue,
        Err(faults) => bail!("is refused:\n{}", listed(&faults)),
    };
    let request_id = RequestId::random();
    let publish = Publish { catalogue: &catalogue, if_version: None, dry_run, actor, request_id: &request_id };
    match catalogue::publish(pool, &publish).await {
        Err(PublishError::Held(items)) => bail!(
            "is refused: users hold {}, which it leaves out; keep such items with \"retired\": true",
            names(&items)
        ),
        Err(PublishError::PerhapsHeld(items)) => bail!(
            "is refused: it could not be found out in time that nobody holds {}, which it leaves out; keep such items with \
             \"retired\": true",
            names(&items)
        ),
        other => other.context("cannot be published"),
    }
}

fn listed(faults: &Faults) -> String {
    let line = |pointer: &str, detail: &str| format!("  {}: {detail}", if pointer.is_empty() { "/" } else { pointer });
    faults.as_slice().iter().map(|fault| line(fault.pointer.as_str(), &fault.detail)).collect::<Vec<_>>().join("\n")
}

/// What a difference lists, each list with its title.
fn lists<T: ToString>(of: &str, difference: &Difference<T>) -> Vec<String> {
    let Difference { added, changed, removed } = difference;
    let lists = [("added", added), ("changed", changed), ("removed", removed)];
    let lists = lists.into_iter().filter(|(_, names)| !names.is_empty());
    lists.map(|(what, list)| format!("{of}{what}: {}", names(list))).collect()
}

fn names<T: ToString>(names: &[T]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn told(publication: &Publication) -> String {
    let (changes, version) = (&publication.changes, publication.version);
    if changes.is_empty() {
        return format!("nothing changes: version {version} says the same");
    }
    let what = [lists("", &changes.items), lists("events ", &changes.events), lists("rules ", &changes.rules)].concat();
    let verb = if publication.dry_run { "would publish" } else { "published" };
    format!("{verb} version {version} ({})", what.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_valid_catalogue() {
        let catalogue = Catalogue::parse_new(Node::parse(SAMPLE.as_bytes()).unwrap()).unwrap();
        assert_eq!(catalogue.iter().count(), 5);
    }
}
