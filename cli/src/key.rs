//! `satchel key create|list|revoke`

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use satchel_model::access::{Role, Scope};
use satchel_store::{Pool, api_keys};
use sha2::{Digest, Sha256};

use crate::settings::Settings;
use crate::{owner, token};

const PREFIX_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;
const MAX_NAME_CHARS: usize = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print it, this once.
    Create(CreateArgs),
    /// List all keys, without their secrets.
    List(Settings),
    /// Make a key invalid for good.
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What people call it.
    #[arg(long)]
    name: String,
    /// For whom it speaks.
    #[arg(long)]
    sub: String,
    /// service or operator
    #[arg(long, value_parser = role, default_value = "service")]
    role: Role,
    /// What a service may do. May be repeated; all by default.
    #[arg(long, value_parser = token::scope)]
    scope: Vec<Scope>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The part of the key between `sk_` and the second `_`; `satchel key list` shows it.
    prefix: String,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(command: KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Create(args) => create(args).await,
        KeyCommand::List(settings) => list(&settings).await,
        KeyCommand::Revoke(args) => revoke(&args).await,
    }
}

/// Players hold no keys: they are many, and a key cannot expire.
fn role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).filter(|role| *role != Role::Player).ok_or("must be service or operator")
}

async fn create(args: CreateArgs) -> Result<()> {
    let name = args.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        bail!("--name must have 1 to {MAX_NAME_CHARS} characters, none of them a control character");
    }
    let actor = token::actor(args.role, &args.sub, &args.scope)?;
    let pool = owner_pool(&args.settings)?;
    let prefix = random_hex::<PREFIX_BYTES>()?;
    let key = format!("sk_{prefix}_{}", random_hex::<SECRET_BYTES>()?);
    let hash = Sha256::digest(key.as_bytes());
    api_keys::create(&pool, &prefix, &hash.into(), name, &actor).await.context("cannot store the key")?;
    println!("{key}");
    Ok(())
}

async fn list(settings: &Settings) -> Result<()> {
    let pool = owner_pool(settings)?;
    println!("{:<14}{:<10}{:<10}{:<20}{:<20}{:<20}SCOPES", "PREFIX", "STATE", "ROLE", "SUB", "NAME", "CREATED");
    for key in api_keys::list(&pool).await? {
        let state = if key.revoked_at.is_some() { "revoked" } else { "valid" };
        let created = key.created_at.format("%Y-%m-%d %H:%MZ");
        let (role, subject) = (key.actor.role.as_str(), key.actor.subject.as_str());
        println!(
            "{:<14}{state:<10}{role:<10}{subject:<20}{:<20}{:<20}{}",
            key.prefix,
            key.name,
            created.to_string(),
            key.actor.scopes
        );
    }
    Ok(())
}

async fn revoke(args: &RevokeArgs) -> Result<()> {
    let pool = owner_pool(&args.settings)?;
    if !api_keys::revoke(&pool, &args.prefix).await? {
        bail!("no valid key has the prefix {}", args.prefix);
    }
    println!("revoked {}", args.prefix);
    Ok(())
}

fn owner_pool(settings: &Settings) -> Result<Pool> {
    let mut env = settings.environment()?.reader();
    let url = owner::url(&mut env);
    env.finish()?;
    owner::pool(url, "satchel-key")
}

fn random_hex<const BYTES: usize>() -> Result<String> {
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no randomness to give: {error}"))?;
    Ok(hex::encode(bytes))
}
