//! The worker's settings, from its environment.

use std::net::SocketAddr;

use satchel_model::installation::Installation;
use satchel_model::ledger::LedgerKeys;
use satchel_security::ledger_keys;
use satchel_settings::Env;
use satchel_store::Retention;
use satchel_store::stuck::TransactionLimit;
use satchel_store::{PoolConfig, Program};
use satchel_wire::envelope::EnvelopeKey;

/// Connections to Postgres that functions share.
const FUNCTION_CONNECTIONS: u32 = 4;
/// The time that a run waits for one of them, in milliseconds: hundreds of runs may want one at the same time.
const FUNCTION_ACQUIRE_TIMEOUT_MS: u64 = 30_000;

/// The keys by which queue entries are trusted.
#[derive(Debug, Clone)]
pub struct EnvelopeKeys {
    /// Signs outcomes.
    pub current: EnvelopeKey,
    /// Still trusted.
    pub previous: Option<EnvelopeKey>,
}

impl EnvelopeKeys {
    /// Those of one installation.
    fn of_installation(&self, installation: &Installation) -> Self {
        let key = |key: &EnvelopeKey| key.of_installation(installation);
        Self { current: key(&self.current), previous: self.previous.as_ref().map(key) }
    }

    /// All that are trusted.
    pub fn iter(&self) -> impl Iterator<Item = &EnvelopeKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// The worker's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `SATCHEL_WORKER_DATABASE_URL`, else `DATABASE_URL`; `SATCHEL_WORKER_DATABASE_ROLE`, else `SATCHEL_DATABASE_ROLE`.
    pub pool: PoolConfig,
    /// `SATCHEL_ALLOW_OWNER_LOGIN`: whether `DATABASE_URL` may log in as the schema's owner or a superuser. Default false.
    pub allows_owner_login: bool,
    /// As `pool`, for functions.
    pub functions_pool: PoolConfig,
    /// `SATCHEL_TRANSACTION_LIMIT_MS`: when sessions of the worker's login that hold locks are ended. Default 60000.
    pub transaction_limit: TransactionLimit,
    /// `REDIS_URL`.
    pub queue: satchel_queue::Config,
    /// `SATCHEL_ENVELOPE_KEY` and, while it is being changed, `SATCHEL_ENVELOPE_KEY_PREVIOUS`.
    pub envelope_keys: EnvelopeKeys,
    /// `SATCHEL_LEDGER_KEY` and, while it is being changed, `SATCHEL_LEDGER_KEY_PREVIOUS`.
    pub ledger_keys: LedgerKeys,
    /// `SATCHEL_WORKER_LANES`: most batches under way at once, one database connection each. Default 2.
    pub lanes: u16,
    /// `SATCHEL_MAX_BATCH_JOBS`: most jobs in one transaction. Default 3000.
    pub max_batch_jobs: usize,
    /// `SATCHEL_LEASE_TTL_MS`: how long a silent worker keeps its shards, in milliseconds. Default 15000.
    pub lease_ttl_ms: u32,
    /// `SATCHEL_LEASE_RENEW_MS`: how often a worker says that it lives, in milliseconds. Default 3000.
    pub lease_renew_ms: u32,
    /// `SATCHEL_JOB_ATTEMPTS`: how often a job that fails is tried before it is parked. Default 3.
    pub max_attempts: i32,
    /// `SATCHEL_JOB_RETRY_MS`: the wait after a job's first failure, in milliseconds, doubled after each. Default 2000.
    pub job_retry_ms: u32,
    /// `SATCHEL_FUNCTION_RUNS`: most runs of functions at once, without deliveries to webhook endpoints, beside what each
    /// function allows. Default 64.
    pub max_runs: usize,
    /// The retention of finished and parked jobs: see [`Retention`].
    pub retention: Retention,
    /// `SATCHEL_WORKER_METRICS_ADDR`: where Prometheus may ask. Default: nowhere.
    pub metrics_addr: Option<SocketAddr>,
}

impl Config {
    /// With the keys of one installation.
    pub(crate) fn of_installation(mut self, installation: &Installation) -> Self {
        self.envelope_keys = self.envelope_keys.of_installation(installation);
        self
    }

    /// Reads the environment; faults are noted in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let config = Self {
            pool: PoolConfig::from_env(env, Program::Worker, "satchel-worker", 1),
            allows_owner_login: env.or("SATCHEL_ALLOW_OWNER_LOGIN", false),
            transaction_limit: TransactionLimit::from_env(env),
            functions_pool: PoolConfig {
                acquire_timeout_ms: FUNCTION_ACQUIRE_TIMEOUT_MS,
                ..PoolConfig::from_env(env, Program::Worker, "satchel-functions", FUNCTION_CONNECTIONS)
            },
            queue: satchel_queue::Config::from_env(env),
            envelope_keys: EnvelopeKeys {
                current: EnvelopeKey::from_env(env, "SATCHEL_ENVELOPE_KEY"),
                previous: EnvelopeKey::optional_from_env(env, "SATCHEL_ENVELOPE_KEY_PREVIOUS"),
            },
            ledger_keys: ledger_keys::from_env(env),
            lanes: env.number_or("SATCHEL_WORKER_LANES", 1..=64, 2),
            max_batch_jobs: env.number_or("SATCHEL_MAX_BATCH_JOBS", 1..=20_000, 3_000),
            lease_ttl_ms: env.number_or("SATCHEL_LEASE_TTL_MS", 500..=600_000, 15_000),
            lease_renew_ms: env.number_or("SATCHEL_LEASE_RENEW_MS", 100..=200_000, 3_000),
            max_attempts: env.number_or("SATCHEL_JOB_ATTEMPTS", 1..=100, 3),
            job_retry_ms: env.number_or("SATCHEL_JOB_RETRY_MS", 10..=300_000, 2_000),
            max_runs: env.number_or("SATCHEL_FUNCTION_RUNS", 1..=10_000, 64),
            retention: Retention::from_env(env),
            metrics_addr: env.optional("SATCHEL_WORKER_METRICS_ADDR"),
        };
        if config.lease_renew_ms.saturating_mul(2) > config.lease_ttl_ms {
            env.fault("SATCHEL_LEASE_RENEW_MS", "must be at most half of SATCHEL_LEASE_TTL_MS");
        }
        config
    }
}
