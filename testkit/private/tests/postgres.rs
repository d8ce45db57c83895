//! The private Postgres, for real. As root, each test also shows that a data directory which the Postgres user
//! cannot reach works: temporary directories are closed to others.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use satchel_private::{ExposeSecret, PostgresOptions, PrivateError, PrivatePostgres};

fn options(dir: &Path) -> PostgresOptions {
    PostgresOptions { shared_buffers_mib: 16, max_connections: 10, ..PostgresOptions::new(dir) }
}

fn answers(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn within(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !holds() {
        if Instant::now() > end {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn data_is_kept_over_stop_kill_restart_and_a_new_start_on_the_same_port() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = PrivatePostgres::start(&options(dir.path())).unwrap();
    let port = postgres.port();
    postgres.psql("satchel", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)").unwrap();

    postgres.kill();
    assert!(!postgres.is_running());
    postgres.restart().unwrap();
    assert_eq!(postgres.port(), port);
    postgres.psql("satchel", "INSERT INTO t VALUES (2)").unwrap();

    postgres.stop();
    assert!(!answers(port));
    drop(postgres);
    let postgres = PrivatePostgres::start(&options(dir.path())).unwrap();
    assert_eq!(postgres.port(), port);
    assert_eq!(postgres.psql("satchel", "SELECT a FROM t ORDER BY a").unwrap(), "1\n2");
}

#[test]
fn nothing_weakens_durability_and_only_the_loopback_with_the_password_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = PrivatePostgres::start(&options(dir.path())).unwrap();
    let setting = |name: &str| postgres.psql("satchel", &format!("SHOW {name}")).unwrap();
    assert_eq!(setting("fsync"), "on");
    assert_eq!(setting("synchronous_commit"), "on");
    assert_eq!(setting("full_page_writes"), "on");
    assert_eq!(setting("listen_addresses"), "127.0.0.1");
    assert_eq!(setting("unix_socket_directories"), "");
    assert_eq!(setting("server_encoding"), "UTF8");

    let url = postgres.owner_url("satchel").expose_secret().to_owned();
    let password = url.split([':', '@']).nth(2).unwrap().to_owned();
    assert!(!fs::read_to_string(postgres.log_path()).unwrap().contains(&password));
    let psql = Command::new("psql").args(["-w", "-d", &url.replace(&password, "wrong"), "-c", "SELECT 1"]).output();
    assert!(psql.is_err() || psql.is_ok_and(|output| !output.status.success()));
}

#[test]
fn a_server_that_a_killed_process_left_behind_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let first = PrivatePostgres::start(&options(dir.path())).unwrap();
    let orphan = first.pid();
    first.psql("satchel", "CREATE TABLE kept (a int)").unwrap();
    std::mem::forget(first);

    let second = PrivatePostgres::start(&options(dir.path())).unwrap();
    assert_ne!(second.pid(), orphan);
    assert_eq!(second.psql("satchel", "SELECT count(*) FROM kept").unwrap(), "0");
}

#[test]
fn a_pid_file_whose_pid_now_belongs_to_another_program_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = PrivatePostgres::start(&options(dir.path())).unwrap();
    postgres.stop();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let file = format!("{}\n{}\n", other.id(), dir.path().join("postgres").display());
    fs::write(dir.path().join("postgres/postmaster.pid"), file).unwrap();

    postgres.restart().unwrap();
    assert!(other.try_wait().unwrap().is_none(), "the other program was left alone");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn an_interrupted_initdb_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("postgres.new")).unwrap();
    fs::write(dir.path().join("postgres.new/PG_VERSION"), "15\n").unwrap();
    let postgres = PrivatePostgres::start(&options(dir.path())).unwrap();
    assert_eq!(postgres.psql("satchel", "SELECT 1").unwrap(), "1");
}

#[test]
fn data_of_another_version_is_refused_with_both_versions_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("postgres")).unwrap();
    fs::write(dir.path().join("postgres/PG_VERSION"), "8\n").unwrap();
    let error = PrivatePostgres::start(&options(dir.path())).unwrap_err();
    assert!(matches!(error, PrivateError::OtherVersion { data: 8, .. }), "{error}");
    assert!(error.to_string().contains("data of Postgres 8, but Postgres 1"), "{error}");
}

#[test]
fn a_taken_port_is_said_with_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = Some(held.local_addr().unwrap().port());
    let error = PrivatePostgres::start(&PostgresOptions { port, ..options(dir.path()) }).unwrap_err();
    assert!(error.to_string().contains("Address already in use"), "{error}");
}

#[test]
fn parents_keep_their_modes() {
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let postgres = PrivatePostgres::start(&options(&closed.join("data dir's \"name\""))).unwrap();
    assert_eq!(postgres.psql("satchel", "SELECT 1").unwrap(), "1");
    assert_eq!(fs::metadata(&closed).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn it_ends_with_its_parent_even_if_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_with-private-postgres"))
        .arg(empty.path())
        .args(["sh", "-c", "echo $$ $DATABASE_URL; exec sleep 600"])
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (sleeper, url) = line.trim().split_once(' ').unwrap();
    let port = url.split([':', '/']).rev().nth(1).unwrap().parse().unwrap();
    assert!(answers(port));

    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(within(Duration::from_secs(20), || !answers(port)), "Postgres outlived its parent");
    assert!(Command::new("sh").args(["-c", &format!("kill {sleeper}")]).status().unwrap().success());
    let left = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path().join("postgres/postmaster.pid");
    assert!(within(Duration::from_secs(20), || !left.exists()), "Postgres did not stop in order");
}
