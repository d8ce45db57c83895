//! `satchel token`, and the tokens that `satchel dev` shows.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use chrono::Utc;
use clap::Args;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use satchel_model::access::{Actor, Role, Scope, Scopes};
use satchel_security::token_crypto;
use satchel_settings::{Env, Span};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::settings::Settings;

/// As RFC 7518 section 3.2 asks of HS256.
const MIN_SECRET_BYTES: usize = 32;
const MAX_TTL_S: u64 = 366 * 24 * 3600;

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// player, service or operator
    #[arg(long, value_parser = role)]
    role: Role,
    /// Who: a player's user id, or any name for a service or operator.
    #[arg(long)]
    sub: String,
    /// How long it is valid: a number with s, m, h or d.
    #[arg(long, default_value = "1h")]
    ttl: Ttl,
    /// What a service may do: rewards:write, items:use, inventory:read, events:write. May be repeated; all by default.
    #[arg(long, value_parser = scope)]
    scope: Vec<Scope>,
    #[command(flatten)]
    settings: Settings,
}

/// How long a token is valid, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ttl(u64);

impl Ttl {
    pub(crate) const HALF_A_DAY: Self = Self(12 * 3600);
}

impl FromStr for Ttl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "must be a number with s, m, h or d, at most 366d, such as 90s, 15m, 1h or 7d";
        let span: Span = text.parse().map_err(|_| FORM)?;
        if span.seconds > MAX_TTL_S { Err(FORM) } else { Ok(Self(span.seconds)) }
    }
}

/// Makes tokens for one secret, issuer and audience.
pub(crate) struct Minter {
    secret: SecretString,
    issuer: String,
    audience: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    role: Role,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl Minter {
    /// Reads `SATCHEL_JWT_SECRET`, `SATCHEL_JWT_ISSUER` and `SATCHEL_JWT_AUDIENCE`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        let secret = env.secret("SATCHEL_JWT_SECRET");
        let bytes = secret.expose_secret().len();
        if bytes > 0 && bytes < MIN_SECRET_BYTES {
            env.fault("SATCHEL_JWT_SECRET", format!("must have at least {MIN_SECRET_BYTES} bytes, not {bytes}"));
        }
        let satchel = || "satchel".to_owned();
        Self {
            secret,
            issuer: env.or("SATCHEL_JWT_ISSUER", satchel()),
            audience: env.or("SATCHEL_JWT_AUDIENCE", satchel()),
        }
    }

    /// A token that says this actor, valid from now on.
    pub(crate) fn mint(&self, actor: &Actor, ttl: Ttl) -> Result<String> {
        let now = Utc::now().timestamp();
        let claims = Claims {
            sub: actor.subject.as_str(),
            role: actor.role,
            scope: &actor.scopes.to_string(),
            iss: &self.issuer,
            aud: &self.audience,
            iat: now,
            exp: now.saturating_add_unsigned(ttl.0),
        };
        token_crypto::install();
        let key = EncodingKey::from_secret(self.secret.expose_secret().as_bytes());
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
    }
}

pub(crate) fn run(args: &TokenArgs) -> Result<()> {
    let actor = actor(args.role, &args.sub, &args.scope)?;
    let mut env = args.settings.environment()?.reader();
    let minter = Minter::from_env(&mut env);
    env.finish().context("use --data-dir DIR beside a running `satchel dev`, or set the variables")?;
    println!("{}", minter.mint(&actor, args.ttl)?);
    Ok(())
}

/// The actor of these arguments: a service without scopes gets all, the other roles have none.
pub(crate) fn actor(role: Role, sub: &str, scopes: &[Scope]) -> Result<Actor> {
    let scopes = match (role, scopes) {
        (Role::Service, []) => Scopes::all(),
        (Role::Service, scopes) => scopes.iter().copied().collect(),
        (_, []) => Scopes::default(),
        _ => bail!("only the role service has scopes"),
    };
    Actor::new(role, sub, scopes).with_context(|| format!("--sub {sub}"))
}

/// Reads a role's name.
pub(crate) fn role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("must be player, service or operator")
}

/// Reads a scope's name.
pub(crate) fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| format!("must be one of {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_a_number_with_a_unit() {
        assert_eq!("90s".parse(), Ok(Ttl(90)));
        assert_eq!("1h".parse(), Ok(Ttl(3600)));
        assert_eq!("7d".parse(), Ok(Ttl(7 * 24 * 3600)));
        for odd in ["", "h", "1", "0s", "-1h", "1.5h", "1w", "367d", "99999999999999999999d", "1é", "١h"] {
            assert!(odd.parse::<Ttl>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_service_has_all_scopes_unless_told_and_others_have_none() {
        assert_eq!(actor(Role::Service, "game", &[]).unwrap().scopes, Scopes::all());
        assert_eq!(actor(Role::Service, "game", &[Scope::ItemsUse]).unwrap().scopes.to_string(), "items:use");
        assert_eq!(actor(Role::Player, "u1", &[]).unwrap().scopes, Scopes::default());
        assert!(actor(Role::Player, "u1", &[Scope::ItemsUse]).is_err());
        assert!(actor(Role::Player, "not a user", &[]).is_err());
    }
}
