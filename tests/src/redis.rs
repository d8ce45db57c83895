//! Redis for tests: a private server for each, poked by its own program `redis-cli`.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use satchel_cli::private::{ExposeSecret, PrivateRedis, RedisOptions};

use crate::janitor::{self, scratch_dir};

/// One test's Redis, gone with it.
pub struct TestRedis {
    server: Mutex<PrivateRedis>,
    /// `redis-cli` on it.
    pub cli: RedisCli,
    url: String,
}

impl TestRedis {
    /// Starts one.
    pub(crate) fn launch() -> Self {
        let server = PrivateRedis::start(&RedisOptions::new(scratch_dir("redis")));
        let server = server.unwrap_or_else(|error| panic!("{error}"));
        janitor::watch(server.pid().unsigned_abs());
        let url = server.url().expose_secret().to_owned();
        let password = url.trim_start_matches("redis://:").split('@').next().unwrap_or_default().to_owned();
        let cli = RedisCli { port: server.port(), password };
        Self { server: Mutex::new(server), cli, url }
    }

    /// Its connection URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// SIGKILL.
    pub fn kill(&self) {
        let mut server = self.server.lock().unwrap();
        janitor::forget(server.pid().unsigned_abs());
        server.kill();
    }

    /// Starts it again after [`TestRedis::kill`], with what it had on disk.
    pub fn start(&self) {
        let mut server = self.server.lock().unwrap();
        server.restart().unwrap_or_else(|error| panic!("{error}"));
        janitor::watch(server.pid().unsigned_abs());
    }

    /// SIGSTOP: connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.server.lock().unwrap().pause();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.server.lock().unwrap().resume();
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let mut server = self.server.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        janitor::forget(server.pid().unsigned_abs());
        server.kill();
    }
}

/// `redis-cli` on one server.
#[derive(Debug, Clone)]
pub struct RedisCli {
    port: u16,
    password: String,
}

impl RedisCli {
    /// Runs one command and gives what it prints. Fails the test if Redis refuses it.
    pub fn run(&self, command: &[&str]) -> String {
        // Where Valkey stands in for Redis, so does its program.
        let output = ["redis-cli", "valkey-cli"].into_iter().find_map(|program| {
            let mut cli = Command::new(program);
            cli.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).args(command);
            cli.env("REDISCLI_AUTH", &self.password).stdin(Stdio::null()).output().ok()
        });
        let output = output.expect("the program redis-cli or valkey-cli");
        let text = String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        // Errors begin with a word in capitals (Redis serialization protocol, "Simple errors").
        let refused = text.split(' ').next().is_some_and(|word| {
            word.len() > 2 && word != "PONG" && word.chars().all(|letter| letter.is_ascii_uppercase())
        });
        assert!(output.status.success() && !refused, "redis-cli {command:?}: {text}{said}");
        text
    }
}
