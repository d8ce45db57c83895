//! The service's configuration, from the environment.

use std::net::{Ipv4Addr, SocketAddr};

use metrics_exporter_prometheus::PrometheusHandle;
use satchel_security::outbound::Allowed;
use satchel_security::sealing::SealKeys;
use satchel_settings::Env;
use satchel_store::Retention;
use satchel_store::stuck::TransactionLimit;
use satchel_store::{PoolConfig, Program};
use satchel_wire::envelope::EnvelopeKey;

use crate::auth::{KeySource, Rules, TokenKeys};
use crate::http::body::budget::BodyBudget;
use crate::http::connections;
use crate::http::cors::CorsOrigins;
use crate::http::deadline;
use crate::intake::JournalMode;
use crate::intake::admission::Rates;
use crate::intake::undecided::UndecidedLimits;

/// The most connections to Postgres that the HTTP threads share: queries and look-ups of keys are short. Beside these
/// each thread has one of its own, for inventories.
const MAX_DATABASE_CONNECTIONS: u32 = 16;

/// The most HTTP threads that can be asked for.
const MAX_THREADS: usize = 256;

/// Everything that the service must know.
pub struct Config {
    /// `SATCHEL_API_ADDR`: where `satchel-api` listens. Default 127.0.0.1:8080.
    pub address: SocketAddr,
    /// `SATCHEL_API_OPS_ADDR`: where `/metrics` and what `/readyz` has to say are served instead. Default: at `address`.
    pub operations_address: Option<SocketAddr>,
    /// `SATCHEL_API_THREADS`: HTTP threads, each with a connection to Postgres of its own. Default: the number of cores.
    pub threads: usize,
    /// `DATABASE_URL` (required) and `SATCHEL_DATABASE_ROLE`.
    pub database: PoolConfig,
    /// `SATCHEL_ALLOW_OWNER_LOGIN`: whether `DATABASE_URL` may log in as the schema's owner or a superuser. Default false.
    pub allows_owner_login: bool,
    /// `SATCHEL_TRANSACTION_LIMIT_MS`: when sessions of the API's login that hold locks are ended. Default 60000.
    pub transaction_limit: TransactionLimit,
    /// `REDIS_URL` (required).
    pub queue: satchel_queue::Config,
    /// `SATCHEL_ENVELOPE_KEY` (required): signs queue entries, at least 32 bytes.
    pub envelope_key: EnvelopeKey,
    /// `SATCHEL_REQUIRE_IDEMPOTENCY_KEY`: whether submissions without an idempotency key are refused. Default false.
    pub requires_idempotency_key: bool,
    /// `SATCHEL_JOURNAL`: `postgres` commits accepted jobs to Postgres before they are answered for. Default none.
    pub journal: JournalMode,
    /// `SATCHEL_JOB_RETENTION_DAYS`, `SATCHEL_REJECTED_RETENTION_DAYS`, `SATCHEL_PARKED_RETENTION_DAYS`: what cleaning finds too old.
    pub retention: Retention,
    /// `SATCHEL_SECRETS_KEY`, `SATCHEL_SECRETS_KEY_PREVIOUS`: seal the secrets of webhooks. Default: there are none.
    pub seal_keys: Option<SealKeys>,
    /// `SATCHEL_OUTBOUND_ALLOW`: where webhooks may lead to beside the public Internet. Default: nowhere.
    pub allowed: Allowed,
    /// `SATCHEL_CORS_ORIGINS`: the origins of web pages that may call, comma separated. Default: none.
    pub cors_origins: CorsOrigins,
    /// Where `/metrics` comes from. `None` unless set by a program that installed a recorder itself.
    pub metrics: Option<PrometheusHandle>,
    /// `SATCHEL_JWT_SECRET` (HS256, at least 32 bytes) and `SATCHEL_JWT_KEYS_FILE` (public keys in PEM or JWKS
    /// form, read again when it changes), one of them required; `SATCHEL_JWT_SECRET_PREVIOUS`;
    /// `SATCHEL_JWT_ISSUER` and `SATCHEL_JWT_AUDIENCE`, default satchel.
    pub(crate) key_source: KeySource,
    /// The keys as they are at start.
    pub(crate) token_keys: TokenKeys,
    /// `SATCHEL_JWT_MAX_AGE`, `SATCHEL_REFUSED_PER_MINUTE`, `SATCHEL_TRUSTED_PROXIES`.
    pub(crate) credentials: Rules,
    /// `SATCHEL_PLAYER_JOBS_PER_SECOND` and the like.
    pub(crate) rates: Rates,
    /// How many jobs of a user may wait.
    pub(crate) undecided: UndecidedLimits,
    /// `SATCHEL_BODY_BYTES`: what bodies that are being read may take.
    pub(crate) bodies: BodyBudget,
    /// `SATCHEL_CONNECTIONS_PER_ADDRESS`, `SATCHEL_ANSWER_STALL_MS`.
    pub(crate) connections: connections::Rules,
}

impl Config {
    /// Reads the environment. Faults are noted in `env`; the configuration may be used if
    /// [`Env::finish`] then finds none.
    pub fn from_env(env: &mut Env) -> Self {
        let (key_source, token_keys) = KeySource::from_env(env);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            address: env.or("SATCHEL_API_ADDR", SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            operations_address: env.optional("SATCHEL_API_OPS_ADDR"),
            threads: env.number_or("SATCHEL_API_THREADS", 1..=MAX_THREADS, cores.min(MAX_THREADS)),
            database: PoolConfig {
                statement_timeout_ms: deadline::ANSWER_DEADLINE_MS,
                ..PoolConfig::from_env(env, Program::Api, "satchel-api", MAX_DATABASE_CONNECTIONS)
            },
            allows_owner_login: env.or("SATCHEL_ALLOW_OWNER_LOGIN", false),
            transaction_limit: TransactionLimit::from_env(env),
            queue: satchel_queue::Config::from_env(env),
            envelope_key: EnvelopeKey::from_env(env, "SATCHEL_ENVELOPE_KEY"),
            requires_idempotency_key: env.or("SATCHEL_REQUIRE_IDEMPOTENCY_KEY", false),
            journal: env.or("SATCHEL_JOURNAL", JournalMode::None),
            retention: Retention::from_env(env),
            seal_keys: SealKeys::from_env(env),
            allowed: Allowed::from_env(env),
            cors_origins: env.or("SATCHEL_CORS_ORIGINS", CorsOrigins::default()),
            metrics: None,
            key_source,
            token_keys,
            credentials: Rules::from_env(env),
            rates: Rates::from_env(env),
            undecided: UndecidedLimits::from_env(env),
            bodies: BodyBudget::from_env(env),
            connections: connections::Rules::from_env(env),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(variables: &[(&str, &str)]) -> Option<String> {
        let mut env = Env::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let _config = Config::from_env(&mut env);
        env.finish().err().map(|faults| faults.to_string())
    }

    const GOOD: [(&str, &str); 4] = [
        ("DATABASE_URL", "postgres://127.0.0.1/satchel"),
        ("REDIS_URL", "redis://127.0.0.1/"),
        ("SATCHEL_ENVELOPE_KEY", "0123456789abcdef0123456789abcdef"),
        ("SATCHEL_JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ];

    #[test]
    fn four_variables_are_enough() {
        assert_eq!(faults(&GOOD), None);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let told = faults(&[
            ("SATCHEL_API_ADDR", "here"),
            ("SATCHEL_API_OPS_ADDR", "there"),
            ("SATCHEL_API_THREADS", "0"),
            ("SATCHEL_ENVELOPE_KEY", "short"),
            ("SATCHEL_JWT_SECRET", "short"),
            ("SATCHEL_JWT_SECRET_PREVIOUS", "short"),
            ("SATCHEL_JWT_KEYS_FILE", "/nowhere/keys.pem"),
            ("SATCHEL_JWT_MAX_AGE", "long"),
            ("SATCHEL_REFUSED_PER_MINUTE", "-1"),
            ("SATCHEL_TRUSTED_PROXIES", "nginx"),
            ("SATCHEL_PLAYER_JOBS_PER_SECOND", "-1"),
            ("SATCHEL_PLAYER_JOBS_BURST", "99"),
            ("SATCHEL_SERVICE_JOBS_PER_SECOND", "many"),
            ("SATCHEL_SERVICE_JOBS_BURST", "999"),
            ("SATCHEL_BODY_BYTES", "1000000"),
            ("SATCHEL_CONNECTIONS_PER_ADDRESS", "few"),
            ("SATCHEL_ANSWER_STALL_MS", "999"),
            ("SATCHEL_REQUIRE_IDEMPOTENCY_KEY", "maybe"),
            ("SATCHEL_JOURNAL", "redis"),
            ("SATCHEL_JOB_RETENTION_DAYS", "89"),
            ("SATCHEL_REJECTED_RETENTION_DAYS", "34"),
            ("SATCHEL_PARKED_RETENTION_DAYS", "0"),
            ("SATCHEL_CORS_ORIGINS", "*"),
        ])
        .unwrap();
        for name in [
            "DATABASE_URL",
            "REDIS_URL",
            "SATCHEL_API_ADDR",
            "SATCHEL_API_OPS_ADDR",
            "SATCHEL_API_THREADS",
            "SATCHEL_ENVELOPE_KEY",
            "SATCHEL_JWT_SECRET",
            "SATCHEL_JWT_SECRET_PREVIOUS",
            "SATCHEL_JWT_KEYS_FILE",
            "SATCHEL_JWT_MAX_AGE",
            "SATCHEL_REFUSED_PER_MINUTE",
            "SATCHEL_TRUSTED_PROXIES",
            "SATCHEL_PLAYER_JOBS_PER_SECOND",
            "SATCHEL_PLAYER_JOBS_BURST",
            "SATCHEL_SERVICE_JOBS_PER_SECOND",
            "SATCHEL_SERVICE_JOBS_BURST",
            "SATCHEL_BODY_BYTES",
            "SATCHEL_CONNECTIONS_PER_ADDRESS",
            "SATCHEL_ANSWER_STALL_MS",
            "SATCHEL_REQUIRE_IDEMPOTENCY_KEY",
            "SATCHEL_JOURNAL",
            "SATCHEL_JOB_RETENTION_DAYS",
            "SATCHEL_REJECTED_RETENTION_DAYS",
            "SATCHEL_PARKED_RETENTION_DAYS",
            "SATCHEL_CORS_ORIGINS",
        ] {
            assert!(told.contains(&format!("{name}: ")), "{name} not in {told}");
        }
        assert!(!told.contains("short"), "a secret was shown: {told}");
    }

    #[test]
    fn tokens_need_some_key() {
        assert!(faults(&GOOD[..3]).unwrap().contains("SATCHEL_JWT_SECRET: give it or"));
    }
}
