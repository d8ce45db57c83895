//! What the tests stand on does what they rely on.

use std::sync::Arc;
use std::thread;

use satchel_testkit::{Database, Psql, Server, soak};

#[test]
fn the_database_is_looked_at_as_by_psql() {
    let database = Database::create(Server::shared());
    let owner = &database.owner;
    assert_eq!(owner.run("SELECT 1, NULL, true, 'a' UNION ALL SELECT 2, 'b', false, ''"), "1||t|a\n2|b|f|");
    assert_eq!(owner.run("SELECT 1; SELECT FROM users; SELECT 2"), "1\n2");
    let refused = owner.try_run("CREATE TABLE mine (n integer); INSERT INTO mine VALUES (1 / 0)").unwrap_err().0;
    assert!(refused.contains("22012") && refused.contains("division by zero"), "{refused}");
    assert_eq!(owner.run("SELECT to_regclass('mine')"), "", "it was one transaction");
    owner.run("SET search_path = pg_catalog");
    assert_eq!(owner.run("SHOW search_path"), "\"$user\", public");
    owner.try_run("BEGIN; SELECT 1 / 0").unwrap_err();
    assert_eq!(owner.run("SELECT 1"), "1");
}

#[test]
fn a_session_is_kept_until_its_server_has_gone() {
    let database = Database::create(Arc::new(Server::private(&[], &[])));
    let (owner, api) = (&database.owner, &database.api);
    let backend = "SELECT pg_backend_pid()";
    let kept = owner.number(backend);
    assert_eq!(owner.number(backend), kept);
    assert_ne!(api.number(backend), api.number(backend), "who may be refused logs in each time");
    // Ended under its hands.
    let other = Psql { database: "postgres".to_owned(), ..owner.clone() };
    other.run(&format!("SELECT pg_terminate_backend({kept})"));
    assert_ne!(owner.number(backend), kept);
    for away in [Server::crash, Server::stop] {
        let kept = owner.number(backend);
        away(&database.server);
        owner.try_run("SELECT 1").unwrap_err();
        database.server.start();
        assert_ne!(owner.number(backend), kept);
    }
}

#[test]
fn only_tests_that_say_so_in_their_names_have_a_long_size() {
    let rounds_of = |name: &str| {
        let test = thread::Builder::new().name(name.to_owned()).spawn(|| soak::rounds(5, 5));
        test.expect("a thread").join()
    };
    assert_eq!(rounds_of("module::a_worker_lives_however_long").ok(), Some(5));
    assert!(rounds_of("module::a_worker_lives").is_err());
}
