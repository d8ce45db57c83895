//! Redis for tests: private servers for each.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use redis::{Client, ConnectionLike, RedisResult, Value};
use satchel_private::{ExposeSecret, PrivateCluster, PrivateRedis, RedisOptions};
use sha2::{Digest, Sha256};

use crate::certificates::Certificates;
use crate::janitor::{self, scratch_dir};

/// The user that [`RedisKind::OwnUser`] logs in as, and the password.
const OWN_USER: (&str, &str) = ("satchel", "password-of-the-tests");
/// The users as they are shipped (`docker/redis.sh` fills in the password's hash).
const SHIPPED_USERS: &str = include_str!("../../docker/redis-users.acl");

/// Which kind of Redis a test wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RedisKind {
    /// One server with a password.
    #[default]
    Password,
    /// One server on which Satchel is a user of its own, who may do no more than it must.
    OwnUser,
    /// One server behind TLS of a private authority, which asks for a client certificate.
    Tls,
    /// A Redis Cluster of three nodes.
    Cluster,
}

enum Servers {
    One(PrivateRedis),
    Cluster(PrivateCluster),
}

impl Servers {
    fn nodes(&mut self) -> &mut [PrivateRedis] {
        match self {
            Self::One(server) => std::slice::from_mut(server),
            Self::Cluster(cluster) => cluster.nodes(),
        }
    }
}

/// One test's Redis, gone with it.
pub struct TestRedis {
    servers: Mutex<Servers>,
    dir: PathBuf,
    /// Commands on it.
    pub commands: RedisCommands,
    env: Vec<(String, String)>,
}

impl TestRedis {
    /// Starts one.
    pub fn launch(kind: RedisKind) -> Self {
        let dir = scratch_dir("redis");
        let (mut servers, url) = if kind == RedisKind::Cluster {
            let cluster = PrivateCluster::start(&dir).unwrap_or_else(|error| panic!("{error}"));
            let url = cluster.url();
            (Servers::Cluster(cluster), url)
        } else {
            let server = PrivateRedis::start(&RedisOptions::new(&dir)).unwrap_or_else(|error| panic!("{error}"));
            let url = server.url();
            (Servers::One(server), url)
        };
        servers.nodes().iter().for_each(|node| janitor::watch(node.pid().unsigned_abs()));
        let url = url.expose_secret().to_owned();
        let password = url.trim_start_matches("redis://:").split('@').next().unwrap_or_default().to_owned();
        let commands = RedisCommands { ports: servers.nodes().iter().map(PrivateRedis::port).collect(), password };
        let plain = vec![("REDIS_URL".to_owned(), url)];
        let env = match kind {
            RedisKind::Password => plain,
            RedisKind::OwnUser => own_user(&commands),
            RedisKind::Tls => behind_tls(&commands),
            RedisKind::Cluster => [plain, vec![("SATCHEL_REDIS_CLUSTER".to_owned(), "true".to_owned())]].concat(),
        };
        Self { servers: Mutex::new(servers), dir, commands, env }
    }

    /// Its connection URL.
    pub fn url(&self) -> &str {
        &self.env[0].1
    }

    /// The port of its first server.
    pub fn port(&self) -> u16 {
        self.commands.ports[0]
    }

    /// Its connection URL, over another port of this machine.
    pub(crate) fn url_over(&self, port: u16) -> String {
        format!("redis://:{}@127.0.0.1:{port}/0", self.commands.password)
    }

    /// The password that it asks for.
    pub fn password(&self) -> &str {
        &self.commands.password
    }

    /// What the programs are told of it.
    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// SIGKILL; of a cluster, to one node.
    pub fn kill(&self) {
        self.with_first(|server| {
            janitor::forget(server.pid().unsigned_abs());
            server.kill();
        });
    }

    /// Starts it again after [`TestRedis::kill`], with what it had on disk.
    pub fn start(&self) {
        self.with_first(|server| {
            server.restart().unwrap_or_else(|error| panic!("{error}"));
            janitor::watch(server.pid().unsigned_abs());
        });
    }

    /// After [`TestRedis::kill`]: removes what it had on disk, for good.
    pub fn lose_everything(&self) {
        let files = std::fs::read_dir(self.dir.join("redis")).expect("Redis's directory").flatten();
        for file in files.map(|entry| entry.path()) {
            if file.is_dir() { std::fs::remove_dir_all(file) } else { std::fs::remove_file(file) }.expect("removed");
        }
    }

    /// After [`TestRedis::kill`]: keeps a copy of what it has on disk.
    pub fn save(&self) {
        copy(&self.dir.join("redis"), &self.dir.join("saved"));
    }

    /// After [`TestRedis::kill`]: gives it back what it had on disk when it was saved.
    pub fn restore(&self) {
        self.lose_everything();
        copy(&self.dir.join("saved"), &self.dir.join("redis"));
    }

    /// SIGSTOP: connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.with_first(PrivateRedis::pause);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.with_first(PrivateRedis::resume);
    }

    fn with_first(&self, act: impl FnOnce(&mut PrivateRedis)) {
        act(&mut self.servers.lock().unwrap().nodes()[0]);
    }
}

/// Copies the contents of a directory into another.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let mut servers = self.servers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for server in servers.nodes() {
            janitor::forget(server.pid().unsigned_abs());
            server.kill();
        }
    }
}

/// Makes the user as the shipped file says it; gives what the programs are told.
fn own_user(commands: &RedisCommands) -> Vec<(String, String)> {
    let (name, password) = OWN_USER;
    assert!(SHIPPED_USERS.starts_with("user default off "), "{SHIPPED_USERS}");
    let hash = hex::encode(Sha256::digest(password));
    let rules = SHIPPED_USERS.lines().find_map(|line| line.strip_prefix("user satchel ")).expect("the user");
    let rules = rules.replace("@REDIS_PASSWORD_SHA256@", &hash);
    let rules: Vec<&str> = rules.split(' ').collect();
    commands.run(&[&["ACL", "SETUSER", name], rules.as_slice()].concat());
    vec![("REDIS_URL".to_owned(), format!("redis://{name}:{password}@127.0.0.1:{}/0", commands.ports[0]))]
}

/// Opens a second port behind TLS; gives what the programs are told.
fn behind_tls(commands: &RedisCommands) -> Vec<(String, String)> {
    let certificates = Certificates::make();
    let path = |name: &str| certificates.path(name).to_str().expect("a path of text").to_owned();
    let (authority, certificate, key) = (path("ca.crt"), path("server.crt"), path("server.key"));
    for (setting, value) in [
        ("tls-ca-cert-file", authority.as_str()),
        ("tls-cert-file", &certificate),
        ("tls-key-file", &key),
        ("tls-auth-clients", "yes"),
    ] {
        commands.run(&["CONFIG", "SET", setting, value]);
    }
    let port = crate::port::free_port().to_string();
    commands.run(&["CONFIG", "SET", "tls-port", &port]);
    vec![
        ("REDIS_URL".to_owned(), format!("rediss://:{}@127.0.0.1:{port}/0", commands.password)),
        ("REDIS_CA_FILE".to_owned(), authority),
        ("REDIS_CERT_FILE".to_owned(), path("client.crt")),
        ("REDIS_KEY_FILE".to_owned(), path("client.key")),
    ]
}

/// Commands on one server, or on a cluster, answered as `redis-cli` prints it. (A connection of our own: a process for each look costs
/// more than the look.)
#[derive(Debug, Clone)]
pub struct RedisCommands {
    ports: Vec<u16>,
    password: String,
}

/// Longest time for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// Most nodes of a cluster that a command is sent on to.
const MAX_HOPS: usize = 3;

impl RedisCommands {
    /// Runs one command, in a cluster where its key is, and gives what it answers. Fails the test if it is refused.
    pub fn run(&self, command: &[&str]) -> String {
        let mut port = self.ports[0];
        for _ in 0..MAX_HOPS {
            match self.answer(port, command) {
                Err(error) if error.redirect_node().is_some() => {
                    let address = error.redirect_node().expect("it was there").0;
                    port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a node's address");
                }
                answer => return answer.unwrap_or_else(|error| panic!("{command:?}: {error}")),
            }
        }
        panic!("{command:?}: no node has it");
    }

    /// Runs one command on every node, and gives what each answers.
    pub fn run_everywhere(&self, command: &[&str]) -> Vec<String> {
        let answer = |port: &u16| self.answer(*port, command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        self.ports.iter().map(answer).collect()
    }

    fn answer(&self, port: u16, command: &[&str]) -> RedisResult<String> {
        let client = Client::open(format!("redis://:{}@127.0.0.1:{port}/", self.password))?;
        let mut connection = client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let mut sent = redis::cmd(command[0]);
        sent.arg(&command[1..]);
        let mut text = Vec::new();
        print(&connection.req_command(&sent)?.extract_error()?, &mut text)?;
        Ok(text.join("\n"))
    }
}

/// What is within other answers stands line by line.
fn print(answer: &Value, lines: &mut Vec<String>) -> RedisResult<()> {
    match answer {
        Value::Array(answers) => answers.iter().try_for_each(|answer| print(answer, lines))?,
        Value::Nil => lines.push(String::new()),
        Value::BulkString(bytes) => lines.push(String::from_utf8_lossy(bytes).into_owned()),
        one => lines.push(redis::from_redis_value_ref(one)?),
    }
    Ok(())
}
