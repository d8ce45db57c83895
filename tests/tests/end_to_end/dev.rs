//! `satchel dev` as someone at a terminal meets it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use satchel_testkit::job::{high, not_before, reward};
use satchel_testkit::{Process, Satchel, Setup, binary, scratch_dir, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// A running `satchel dev`.
struct Dev {
    process: Process,
    dir: PathBuf,
    url: String,
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("satchel"));
    command.args(["dev", "--data-dir"]).arg(dir).args(arguments).stdin(Stdio::null());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

impl Dev {
    /// Starts one and waits for its `ready` line.
    async fn start(dir: &Path) -> Self {
        Self::start_by(dir, &mut command(dir, &["--port", "0", "--workers", "2"])).await
    }

    async fn start_by(dir: &Path, command: &mut Command) -> Self {
        let process = Process::spawn("satchel dev", command);
        let line = wait::until("satchel dev is ready", || async {
            assert!(process.exited().is_none(), "satchel dev ended: {}", process.output());
            process.line_with("ready http://")
        })
        .await;
        let url = line.split("ready ").nth(1).unwrap().trim().to_owned();
        Self { process, dir: dir.to_owned(), url }
    }

    /// The commands that it prints, once all are there.
    async fn printed_commands(&self) -> Vec<String> {
        wait::until("four commands are printed", || async {
            let output = self.process.output();
            let lines: Vec<String> =
                output.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect();
            (lines.len() == 4).then_some(lines)
        })
        .await
    }

    /// A token as `satchel token` makes it beside this service.
    fn token(&self, role: &str, subject: &str) -> String {
        let mut satchel = Command::new(binary("satchel"));
        satchel.args(["token", "--role", role, "--sub", subject, "--data-dir"]).arg(&self.dir).env_clear();
        let output = satchel.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn curl(&self, role: &str, subject: &str, path: &str, job: Option<&Value>) -> Value {
        let authorization = format!("Authorization: Bearer {}", self.token(role, subject));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail-with-body", "-H", &authorization, &format!("{}{path}", self.url)]);
        if let Some(job) = job {
            curl.args(["-H", "Content-Type: application/json", "-H", "Prefer: wait=30", "-d", &job.to_string()]);
        }
        let output = curl.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap()
    }

    fn reward_key(&self, user: &str) -> Value {
        self.curl("service", "game", "/api/v1/jobs", Some(&reward(user, json!(["key"]))))
    }

    fn items(&self, user: &str) -> Value {
        self.curl("operator", "ops", &format!("/api/v1/users/{user}/inventory"), None)["items"].clone()
    }

    /// The private servers.
    fn server_pids(&self) -> [i32; 2] {
        [self.dir.join("postgres/postmaster.pid"), self.dir.join("redis/redis.pid")].map(|file| {
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            text.lines().next().unwrap().trim().parse().unwrap()
        })
    }

    /// Ctrl-C; waits for the end.
    fn interrupt(self) {
        self.process.signal(Signal::SIGINT);
        let status = self.process.wait();
        assert_eq!(status.code(), Some(0), "{status}: {}", self.process.output());
    }
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

/// The command lines of processes that have to do with a directory (Linux; elsewhere the pids must do).
fn processes_of(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let command_lines = entries.flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let texts = command_lines.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    texts.filter(|text| text.contains(dir.to_str().unwrap())).collect()
}

#[tokio::test]
async fn it_starts_from_nothing_its_printed_lines_work_and_ctrl_c_leaves_no_process() {
    let dir = scratch_dir("dev").join("data");
    let dev = Dev::start(&dir).await;
    let mut answers = Vec::new();
    for line in dev.printed_commands().await {
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}\n{text}\n{error}"));
        answers.push(answer);
    }
    let [rewarded, used, inventory, history] = answers.try_into().unwrap();
    assert_eq!((&rewarded["type"], &rewarded["status"]), (&json!("reward_inventory_item"), &json!("applied")));
    assert_eq!((&used["type"], &used["status"]), (&json!("use_item"), &json!("applied")), "{used}");
    let items: Vec<_> = inventory["items"].as_array().unwrap().iter().map(|item| &item["itemId"]).collect();
    assert_eq!(items, ["gold", "key"], "{inventory}");
    assert_eq!(history["entries"].as_array().unwrap().len(), 4, "{history}");
    assert_eq!(dev.reward_key("u1")["status"], "applied");

    let pids = dev.server_pids();
    assert!(pids.into_iter().all(is_alive));
    dev.interrupt();
    assert!(!pids.into_iter().any(is_alive), "a private server outlived satchel dev");
    wait::until_true("no process is left", || processes_of(&dir).is_empty()).await;
}

#[tokio::test]
async fn with_a_queue_in_memory_no_redis_is_needed_and_it_says_that_it_forgets() {
    let dir = scratch_dir("dev").join("data");
    let dev = Dev::start_by(&dir, &mut command(&dir, &["--port", "0", "--workers", "2", "--queue", "memory"])).await;
    let said = dev.process.output();
    let warning = "accepted jobs are forgotten when this process ends";
    assert!(said.contains(warning), "{said}");
    let ready = dev.curl("operator", "ops", "/readyz", None);
    assert!(ready["checks"]["redis"]["warnings"].to_string().contains(warning), "{ready}");
    let due = Utc::now() + TimeDelta::seconds(2);
    let later = not_before(high(reward("u1", json!(["vault"]))), due);
    let later = dev.curl("service", "game", "/api/v1/jobs", Some(&later));
    assert_eq!(later["status"], "applied", "{later}");
    assert!(later["appliedAt"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap() >= due, "{later}");
    assert_eq!(dev.reward_key("u1")["status"], "applied");
    let stats = dev.curl("operator", "ops", "/api/v1/queues/stats", None);
    assert_eq!((&stats["stats"]["completed"], stats["workers"].as_array().unwrap().len()), (&json!(2), 2), "{stats}");
    assert!(!dir.join("redis").exists());
    dev.interrupt();
    let said = refused(&dir, &["--port", "0", "--queue", "memory", "--workers", "0"]);
    assert!(said.contains("--workers"), "{said}");

    // What was applied is not in the queue.
    let dev = Dev::start(&dir).await;
    assert_eq!(dev.items("u1").as_array().unwrap().len(), 2);
    dev.interrupt();
    wait::until_true("no process is left", || processes_of(&dir).is_empty()).await;
}

#[tokio::test]
async fn data_is_kept_between_runs_and_after_a_kill() {
    let dir = scratch_dir("dev").join("data");
    let dev = Dev::start(&dir).await;
    dev.reward_key("u1");
    refuse_a_second_one_on(&dir);
    assert_eq!(dev.items("u1")[0]["itemId"], "key", "the first one goes on");
    dev.interrupt();

    let dev = Dev::start(&dir).await;
    assert_eq!(dev.items("u1")[0]["itemId"], "key");
    dev.reward_key("u2");
    dev.process.kill();
    drop(dev);

    let dev = Dev::start(&dir).await;
    assert_eq!(dev.items("u1")[0]["itemId"], "key");
    assert_eq!(dev.items("u2")[0]["itemId"], "key");
    assert_eq!(dev.reward_key("u3")["status"], "applied");
    dev.interrupt();
    wait::until_true("no process is left", || processes_of(&dir).is_empty()).await;
}

/// Runs one that must fail, and gives what it says.
fn refused(dir: &Path, arguments: &[&str]) -> String {
    let dev = Process::spawn("satchel dev", &mut command(dir, arguments));
    let status = dev.wait();
    assert!(!status.success(), "{}", dev.output());
    let said = wait::blocking_until("it says why", || dev.line_with("satchel: "));
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn refuse_a_second_one_on(dir: &Path) {
    let said = refused(dir, &["--port", "0"]);
    assert!(said.contains("another satchel dev") && said.contains("--data-dir"), "{said}");
}

#[test]
fn a_port_in_use_is_said_so_before_anything_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = scratch_dir("dev").join("data");
    let said = refused(&dir, &["--port", &port]);
    assert!(said.contains(&port) && said.contains("in use") && said.contains("--port"), "{said}");
    assert!(!dir.join("postgres").exists());
}

#[test]
fn data_of_another_postgres_version_is_left_alone() {
    let dir = scratch_dir("dev");
    fs::create_dir(dir.join("postgres")).unwrap();
    fs::write(dir.join("postgres/PG_VERSION"), "9\n").unwrap();
    let said = refused(&dir, &["--port", "0"]);
    assert!(said.contains("Postgres 9"), "{said}");
    assert_eq!(fs::read_to_string(dir.join("postgres/PG_VERSION")).unwrap(), "9\n");
}

#[tokio::test]
async fn it_uses_the_stores_that_it_is_given() {
    let satchel: Satchel = Setup::new().workers(0).start().await;
    satchel.kill_api();
    let dir = scratch_dir("dev").join("data");
    let mut command = command(&dir, &["--port", "0"]);
    command.env("DATABASE_URL", satchel.database.owner.url()).env("REDIS_URL", satchel.redis.url());
    let dev = Dev::start_by(&dir, &mut command).await;
    assert_eq!(dev.reward_key("u1")["status"], "applied");
    assert!(!dir.join("postgres").exists() && !dir.join("redis").exists());
    dev.interrupt();
    assert_eq!(satchel.database.owner.number("SELECT count(*) FROM ledger"), 1);
    invariants::check(&satchel).await;
}
