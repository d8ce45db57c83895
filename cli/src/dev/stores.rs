//! Postgres and Redis: those that the environment names, else private ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow};
use satchel_private::{PostgresOptions, PrivatePostgres, PrivateRedis, RedisOptions};
use satchel_store::Program;
use secrecy::{ExposeSecret, SecretString};

use super::settings;
use crate::environment::Environment;

/// How often the private servers are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// The private servers that run; stopped when dropped, Redis first.
#[derive(Debug)]
pub(super) struct Stores {
    redis: Option<PrivateRedis>,
    postgres: Option<PrivatePostgres>,
}

impl Stores {
    /// Starts what the environment does not name, and returns the environment that names everything.
    pub(super) async fn start(
        dir: PathBuf,
        environment: Environment,
        needs_redis: bool,
    ) -> Result<(Self, Environment)> {
        tokio::task::spawn_blocking(move || Self::start_blocking(&dir, environment, needs_redis)).await?
    }

    fn start_blocking(dir: &Path, mut environment: Environment, needs_redis: bool) -> Result<(Self, Environment)> {
        let postgres = postgres(dir, &mut environment)?;
        let redis = if needs_redis {
            redis(dir, &mut environment)?
        } else {
            environment.remove("REDIS_URL");
            None
        };
        let private = [postgres.as_ref().map(|_| "postgres"), redis.as_ref().map(|_| "redis")];
        environment.set(settings::PRIVATE, private.into_iter().flatten().collect::<Vec<_>>().join(" "));
        Ok((Self { redis, postgres }, environment))
    }

    /// Returns when a private server has ended by itself, never if none does.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            if let Some(postgres) = &mut self.postgres
                && !postgres.is_running()
            {
                return anyhow!("the private Postgres has ended; its log is {}", postgres.log_path().display());
            }
            if let Some(redis) = &mut self.redis
                && !redis.is_running()
            {
                return anyhow!("the private Redis has ended; its log is {}", redis.log_path().display());
            }
        }
    }

    /// Stops the private servers in order and waits for their end.
    pub(super) fn stop(mut self) {
        tokio::task::block_in_place(|| {
            drop(self.redis.take());
            drop(self.postgres.take());
        });
    }
}

/// Of the private Postgres.
const DATABASE: &str = "satchel";

const fn url_setting(program: Program) -> &'static str {
    match program {
        Program::Api => "DATABASE_URL",
        Program::Worker => "SATCHEL_WORKER_DATABASE_URL",
    }
}

const fn role_setting(program: Program) -> &'static str {
    match program {
        Program::Api => "SATCHEL_DATABASE_ROLE",
        Program::Worker => "SATCHEL_WORKER_DATABASE_ROLE",
    }
}

fn postgres(dir: &Path, environment: &mut Environment) -> Result<Option<PrivatePostgres>> {
    let mut env = environment.reader();
    let given = env.optional_secret("DATABASE_URL");
    let owner = env.optional_secret("SATCHEL_OWNER_DATABASE_URL");
    let workers = env.optional_secret(url_setting(Program::Worker));
    env.finish()?;
    if let Some(url) = given {
        environment.set("DATABASE_URL", url.expose_secret());
        if let Some(url) = workers {
            environment.set(url_setting(Program::Worker), url.expose_secret());
        }
        // The owner migrates; each program always has only its own rights.
        if owner.is_none() {
            for program in Program::ALL {
                if environment.get(role_setting(program)).is_none() {
                    environment.set(role_setting(program), program.role());
                }
            }
            environment.set("SATCHEL_ALLOW_OWNER_LOGIN", "true");
        }
        environment.set("SATCHEL_OWNER_DATABASE_URL", owner.unwrap_or(url).expose_secret());
        tracing::info!("using the Postgres of DATABASE_URL");
        return Ok(None);
    }
    let postgres = PrivatePostgres::start(&PostgresOptions::new(dir))?;
    for program in Program::ALL {
        let password: SecretString = environment.get(program.password_setting()).unwrap_or_default().into();
        environment.set(url_setting(program), postgres.url_as(program.role(), &password, DATABASE).expose_secret());
        environment.remove(role_setting(program));
    }
    environment.set("SATCHEL_OWNER_DATABASE_URL", postgres.owner_url(DATABASE).expose_secret());
    environment.remove("SATCHEL_ALLOW_OWNER_LOGIN");
    tracing::info!(port = postgres.port(), log = %postgres.log_path().display(), "private Postgres runs");
    Ok(Some(postgres))
}

fn redis(dir: &Path, environment: &mut Environment) -> Result<Option<PrivateRedis>> {
    let mut env = environment.reader();
    let given = env.optional_secret("REDIS_URL");
    env.finish()?;
    if let Some(url) = given {
        environment.set("REDIS_URL", url.expose_secret());
        tracing::info!("using the Redis of REDIS_URL");
        return Ok(None);
    }
    let redis = PrivateRedis::start(&RedisOptions::new(dir))?;
    environment.set("REDIS_URL", redis.url().expose_secret());
    tracing::info!(port = redis.port(), log = %redis.log_path().display(), "private Redis runs");
    Ok(Some(redis))
}
