//! What the scenarios run on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use satchel_private::{ExposeSecret, PrivateCluster, PrivateRedis, RedisOptions, temporary_parent};
use satchel_queue::{Config, MemoryStore, Queue, open};
use satchel_settings::Env;
use tempfile::TempDir;

use crate::submit::installation;

/// How long a scenario waits for Redis, in milliseconds: longer than a program does, since other tests run beside it
/// and one of its calls brings thousands of jobs.
const DEADLINE_MS: u32 = 20_000;

/// A queue's ground, empty at the start of each scenario.
pub(crate) struct Ground {
    redis: Option<Redis>,
}

impl Ground {
    pub(crate) fn memory() -> Self {
        Self { redis: None }
    }

    pub(crate) fn redis(redis: Redis) -> Self {
        Self { redis: Some(redis) }
    }

    pub(crate) fn on_redis(&mut self) -> &mut Redis {
        self.redis.as_mut().unwrap()
    }

    /// A queue in which nothing is. What the last scenario left must have been finished.
    pub(crate) async fn fresh(&mut self) -> Arc<dyn Queue> {
        self.check_empty().await;
        let mut config = match &self.redis {
            Some(redis) => {
                redis.run_everywhere(&["FLUSHALL"]).await;
                redis.config()
            }
            None => Config::Memory(MemoryStore::default()),
        };
        if let Config::Redis(config) = &mut config {
            config.deadline_ms = DEADLINE_MS;
        }
        open(&config, &installation()).unwrap()
    }

    /// Nothing is left in Redis but empty streams, whose it is, and what its shards have had.
    pub(crate) async fn check_empty(&self) {
        let Some(redis) = &self.redis else { return };
        for node in &redis.admins {
            let mut connection = node.get_multiplexed_async_connection().await.unwrap();
            let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
            for key in keys.iter().filter(|key| !key.ends_with(":installation") && !key.ends_with(":watermark")) {
                let left: Result<usize, _> = redis::cmd("XLEN").arg(key).query_async(&mut connection).await;
                assert_eq!(left.ok(), Some(0), "{key} is left");
            }
        }
    }
}

/// A private Redis of some kind, or several.
pub(crate) struct Redis {
    variables: BTreeMap<String, String>,
    /// The default user of each server, without TLS.
    pub(crate) admins: Vec<redis::Client>,
    pub(crate) servers: Servers,
    _dir: TempDir,
}

pub(crate) enum Servers {
    One(#[expect(dead_code, reason = "it runs as long as this value lives")] PrivateRedis),
    Cluster(PrivateCluster),
}

/// The rules of the least that Satchel must be allowed: those that are shipped, with a password of the tests.
fn own_user_rules() -> String {
    let shipped = include_str!("../../../../docker/redis-users.acl");
    let rules = shipped.lines().find_map(|line| line.strip_prefix("user satchel ")).unwrap();
    rules.replace("#@REDIS_PASSWORD_SHA256@", ">own-password")
}

/// What it must be allowed on a cluster beside that.
const CLUSTER_RULES: &str = "+cluster|slots +readonly +asking";

impl Redis {
    pub(crate) fn server() -> Self {
        let dir = tempfile::tempdir_in(temporary_parent()).unwrap();
        let server = PrivateRedis::start(&RedisOptions::new(dir.path())).unwrap();
        Self::of(dir, server, BTreeMap::new())
    }

    /// One server on which Satchel is a user of its own.
    pub(crate) fn own_user() -> Self {
        let dir = tempfile::tempdir_in(temporary_parent()).unwrap();
        let mut options = RedisOptions::new(dir.path());
        options.settings = vec![format!("user satchel {}", own_user_rules())];
        let server = PrivateRedis::start(&options).unwrap();
        let url = format!("redis://satchel:own-password@127.0.0.1:{}/0", server.port());
        Self::of(dir, server, BTreeMap::from([("REDIS_URL".to_owned(), url)]))
    }

    /// One server that speaks TLS as well, with clients that have a certificate.
    pub(crate) fn tls() -> Self {
        let dir = tempfile::tempdir_in(temporary_parent()).unwrap();
        make_certificates(dir.path());
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut options = RedisOptions::new(dir.path());
        options.settings = vec![
            format!("tls-port {port}"),
            format!("tls-ca-cert-file {}", path("ca.crt")),
            format!("tls-cert-file {}", path("server.crt")),
            format!("tls-key-file {}", path("server.key")),
            "tls-auth-clients yes".to_owned(),
        ];
        let server = PrivateRedis::start(&options).unwrap();
        let url = server.url().expose_secret().replace("redis://", "rediss://");
        let url = url.replace(&format!(":{}/", server.port()), &format!(":{port}/"));
        let files = [("REDIS_CA_FILE", "ca.crt"), ("REDIS_CERT_FILE", "client.crt"), ("REDIS_KEY_FILE", "client.key")];
        let mut variables: BTreeMap<_, _> = files.map(|(name, file)| (name.to_owned(), path(file))).into();
        variables.insert("REDIS_URL".to_owned(), url);
        Self::of(dir, server, variables)
    }

    pub(crate) fn cluster() -> Self {
        let dir = tempfile::tempdir_in(temporary_parent()).unwrap();
        let mut cluster = PrivateCluster::start(dir.path()).unwrap();
        let url = cluster.url().expose_secret().to_owned();
        let variables =
            BTreeMap::from([("REDIS_URL".to_owned(), url), ("SATCHEL_REDIS_CLUSTER".to_owned(), "true".to_owned())]);
        let admins = cluster.nodes().iter().map(admin).collect();
        Self { variables, admins, servers: Servers::Cluster(cluster), _dir: dir }
    }

    /// A cluster on which Satchel is a user of its own.
    pub(crate) async fn cluster_of_own_user() -> Self {
        let mut cluster = Self::cluster();
        let rules = format!("ACL SETUSER satchel {} {CLUSTER_RULES}", own_user_rules());
        for answer in cluster.run_everywhere(&rules.split_whitespace().collect::<Vec<_>>()).await {
            answer.unwrap();
        }
        let own = |url: &str| format!("redis://satchel:own-password{}", &url[url.find('@').unwrap()..]);
        let urls = cluster.variables["REDIS_URL"].split(',').map(own).collect::<Vec<_>>().join(",");
        cluster.variables.insert("REDIS_URL".to_owned(), urls);
        cluster
    }

    fn of(dir: TempDir, server: PrivateRedis, mut variables: BTreeMap<String, String>) -> Self {
        variables.entry("REDIS_URL".to_owned()).or_insert_with(|| server.url().expose_secret().to_owned());
        Self { variables, admins: vec![admin(&server)], servers: Servers::One(server), _dir: dir }
    }

    /// What Satchel is told of it.
    pub(crate) fn config(&self) -> Config {
        self.config_with(|_| {})
    }

    /// The same with other variables.
    pub(crate) fn config_with(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Config {
        let mut variables = self.variables.clone();
        change(&mut variables);
        let mut env = Env::of(variables);
        let config = Config::from_env(&mut env);
        env.finish().unwrap();
        config
    }

    /// Runs a command on every server.
    pub(crate) async fn run_everywhere(&self, words: &[&str]) -> Vec<redis::RedisResult<redis::Value>> {
        let mut answers = Vec::new();
        for node in 0..self.admins.len() {
            answers.push(self.run_on(node, words).await);
        }
        answers
    }

    /// Runs a command on one server.
    pub(crate) async fn run_on(&self, node: usize, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let mut connection = self.admins[node].get_multiplexed_async_connection().await?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
    }
}

fn admin(server: &PrivateRedis) -> redis::Client {
    redis::Client::open(server.url().expose_secret()).unwrap()
}

/// A private authority, `ca`, and what it vouches for: `server` on 127.0.0.1, and `client`.
fn make_certificates(dir: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout";
    std::fs::write(dir.join("extensions"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(&format!("req -x509 -days 2 -subj /CN=tests -out ca.crt {new} ca.key"));
    for name in ["server", "client"] {
        openssl(&format!("req -subj /CN={name} -out {name}.csr {new} {name}.key"));
        openssl(&format!(
            "x509 -req -days 2 -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -out {name}.crt"
        ));
    }
}
