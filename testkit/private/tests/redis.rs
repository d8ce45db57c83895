//! The private Redis, for real.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use satchel_private::{ExposeSecret, PrivateCluster, PrivateRedis, RedisOptions};

/// Sends one command in the inline form and returns the lines of the reply.
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn ask(redis: &PrivateRedis, command: &str) -> Vec<String> {
    let url = redis.url().expose_secret().to_owned();
    let password = url.split([':', '@']).nth(2).unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
    write!(stream, "AUTH {password}\r\n{command}\r\nQUIT\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.lines().skip(1).filter(|line| !line.starts_with(['*', '$'])).map(str::to_owned).collect()
}

#[test]
fn what_it_acknowledged_survives_kill_restart_and_a_new_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = PrivateRedis::start(&RedisOptions::new(dir.path())).unwrap();
    let (port, url) = (redis.port(), redis.url().expose_secret().to_owned());
    assert_eq!(ask(&redis, "SET a 1"), ["+OK", "+OK"]);
    redis.kill();
    assert!(!redis.is_running());
    redis.restart().unwrap();
    assert_eq!(ask(&redis, "GET a"), ["1", "+OK"]);
    drop(redis);
    let redis = PrivateRedis::start(&RedisOptions::new(dir.path())).unwrap();
    assert_eq!((redis.port(), redis.url().expose_secret()), (port, url.as_str()));
    assert_eq!(ask(&redis, "GET a"), ["1", "+OK"]);
}

#[test]
fn it_is_as_durable_as_satchel_asks_for_and_wants_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(&RedisOptions::new(dir.path())).unwrap();
    for (name, value) in [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")] {
        assert_eq!(ask(&redis, &format!("CONFIG GET {name}")), [name, value, "+OK"]);
    }
    assert_eq!(fs::metadata(dir.path().join("redis.conf")).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("-NOAUTH"), "{line}");
}

#[test]
fn a_server_that_a_killed_process_left_behind_is_taken_over_even_if_it_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = PrivateRedis::start(&RedisOptions::new(dir.path().join("a \"b\""))).unwrap();
    let orphan = first.pid();
    ask(&first, "SET a 1");
    first.pause();
    std::mem::forget(first);
    let second = PrivateRedis::start(&RedisOptions::new(dir.path().join("a \"b\""))).unwrap();
    assert_ne!(second.pid(), orphan);
    assert_eq!(ask(&second, "GET a"), ["1", "+OK"]);
}

#[test]
fn a_paused_server_hangs_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut redis = PrivateRedis::start(&RedisOptions::new(dir.path())).unwrap();
    redis.pause();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    assert!(stream.read(&mut [0; 8]).is_err());
    redis.resume();
    assert_eq!(ask(&redis, "PING"), ["+PONG", "+OK"]);
    redis.pause();
    redis.stop();
    assert!(!redis.is_running());
}

#[test]
fn a_taken_port_is_said_with_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = Some(held.local_addr().unwrap().port());
    let error = PrivateRedis::start(&RedisOptions { port, ..RedisOptions::new(dir.path()) }).unwrap_err();
    assert!(error.to_string().contains("Address already in use"), "{error}");
}

#[test]
fn three_masters_share_the_slots_and_come_together_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = PrivateCluster::start(dir.path()).unwrap();
    let slots = |redis: &PrivateRedis| ask(redis, "CLUSTER INFO").iter().any(|line| line == "cluster_slots_ok:16384");
    assert!(cluster.nodes().iter().all(slots));
    assert_eq!(cluster.url().expose_secret().split(',').count(), 3);
    drop(cluster);
    let mut cluster = PrivateCluster::start(dir.path()).unwrap();
    assert!(cluster.nodes().iter().all(slots));
}
