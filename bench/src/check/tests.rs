//! A check that cannot fail shows nothing: each kind of wrong is made once, on a real Postgres, and must be found.

use satchel_private::{ExposeSecret, PostgresOptions, PrivatePostgres};
use uuid::Uuid;

use super::*;
use crate::load::job::{Act, Job};
use crate::stand::programs;
use crate::stand::seed;

/// A Postgres of its own and a database in it.
struct Stand {
    _postgres: PrivatePostgres,
    _dir: tempfile::TempDir,
    sql: Psql,
}

impl Stand {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = PostgresOptions { shared_buffers_mib: 32, ..PostgresOptions::new(dir.path()) };
        let postgres = PrivatePostgres::start(&options).unwrap();
        let sql = Psql::new(postgres.superuser_url("satchel").expose_secret()).unwrap();
        Self { _postgres: postgres, _dir: dir, sql }
    }

    fn check<'a>(&self, kind: Kind, accepted: &'a [Accepted], seeded: Option<&'a People>) -> Check<'a> {
        Check { sql: self.sql.clone(), kind, accepted, stock: &[], jobs: accepted.len(), seeded }
    }

    /// What is found wrong once `sql` has run; it is undone then.
    fn found(&self, check: &Check<'_>, sql: &str, undo: &str) -> String {
        self.sql.run(sql).unwrap();
        let violations = check.run().unwrap().violations.join("\n");
        self.sql.run(undo).unwrap();
        violations
    }
}

fn accepted() -> Vec<Accepted> {
    let job = |number: u128, act| Accepted { job_id: Uuid::from_u128(number), job: Job { user: 0, act } };
    vec![job(1, Act::Reward(0)), job(2, Act::Use(0)), job(3, Act::Reward(1))]
}

/// What a peer has made of these jobs.
const DONE_BY_A_PEER: &str = "
    CREATE TABLE jobs (job_id uuid, user_id text, status text, applied_at timestamptz DEFAULT now());
    CREATE TABLE ledger (user_id text, seq bigint, job_id uuid, item_id text, delta bigint, balance bigint);
    CREATE TABLE inventory (user_id text, item_id text, quantity bigint);
    INSERT INTO jobs
        SELECT format('00000000-0000-0000-0000-%s', lpad(n::text, 12, '0'))::uuid, 'u0', 'applied'
        FROM generate_series(1, 3) AS n;
    INSERT INTO ledger
        SELECT user_id, row_number() OVER (ORDER BY job_id), job_id,
               (ARRAY['gold', 'gold', 'potion'])[row_number() OVER (ORDER BY job_id)],
               (ARRAY[1, -1, 1])[row_number() OVER (ORDER BY job_id)],
               (ARRAY[1, 0, 1])[row_number() OVER (ORDER BY job_id)]
        FROM jobs;
    INSERT INTO inventory VALUES ('u0', 'gold', 0), ('u0', 'potion', 1);";

#[test]
fn whatever_is_wrong_with_jobs_effects_and_sums_is_found() {
    let stand = Stand::start();
    let accepted = accepted();
    let check = stand.check(Kind::Bullmq, &accepted, None);
    stand.sql.run(DONE_BY_A_PEER).unwrap();
    let verdict = check.run().unwrap();
    assert_eq!((verdict.violations, verdict.disorders), (Vec::new(), 0));

    let cases = [
        ("DELETE FROM jobs WHERE job_id::text LIKE '%3'", "A (an accepted job has no result)"),
        ("INSERT INTO jobs VALUES (gen_random_uuid(), 'u0', 'applied')", "A (a result of a job that nobody"),
        ("INSERT INTO jobs SELECT * FROM jobs LIMIT 1", "B (a job has two results)"),
        ("UPDATE jobs SET status = 'rejected'", "B (a job is not applied)"),
        (
            "INSERT INTO ledger SELECT user_id, 9, job_id, item_id, delta, 2 FROM ledger LIMIT 1",
            "changed an item twice",
        ),
        ("DELETE FROM ledger WHERE seq = 3", "B (a job without effect)"),
        ("UPDATE ledger SET job_id = gen_random_uuid() WHERE seq = 3", "B (an entry of no job)"),
        ("UPDATE ledger SET delta = 2 WHERE seq = 3", "B (an effect that is not what was asked for)"),
        ("UPDATE ledger SET user_id = 'u1' WHERE seq = 3", "B (an effect that is not what was asked for)"),
        ("UPDATE inventory SET quantity = 5", "C (a holding is not the sum of its ledger)"),
        ("DELETE FROM inventory", "C (a holding is not the sum of its ledger)"),
        ("UPDATE inventory SET quantity = -1", "C (a quantity below zero)"),
        ("UPDATE ledger SET balance = 7 WHERE seq = 3", "C (a balance is not the sum so far)"),
    ];
    for (sql, expected) in cases {
        let found = stand.found(&check, sql, &format!("DROP TABLE jobs, ledger, inventory; {DONE_BY_A_PEER}"));
        assert!(found.contains(expected), "{sql}\n{found}");
    }
    // The use before the reward that it takes from: seen as a disorder, and a balance that cannot be.
    stand.sql.run("UPDATE ledger SET seq = 3 - seq WHERE seq < 3").unwrap();
    assert_eq!(check.run().unwrap().disorders, 1);
}

/// The schema as the migrations make it, with 64 shards.
fn migrate(sql: &Psql) {
    sql.run("CREATE ROLE satchel_api; CREATE ROLE satchel_worker").unwrap();
    let folder = programs::source().join("../migrations");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        sql.run(&std::fs::read_to_string(file).unwrap()).unwrap();
    }
    sql.run("INSERT INTO shard_leases (shard) SELECT generate_series(0, 63)").unwrap();
    sql.run("INSERT INTO shard_counters (shard) SELECT shard FROM shard_leases").unwrap();
}

#[test]
fn a_seeded_database_holds_together_and_a_chain_that_is_cut_is_found() {
    let stand = Stand::start();
    migrate(&stand.sql);
    let now_micros = stand.sql.number("SELECT (extract(epoch FROM now()) * 1000000)::bigint").unwrap();
    let people = People::new(3_000, 10, now_micros).unwrap();
    let indexes = "SELECT string_agg(indexdef, E'\n' ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'public'";
    let before = stand.sql.run(indexes).unwrap();
    seed::fill(&stand.sql, &people).unwrap();
    assert_eq!(stand.sql.run(indexes).unwrap(), before);
    assert_eq!(stand.sql.number::<u64>("SELECT count(*) FROM ledger").unwrap(), people.jobs());
    assert_eq!(stand.sql.number::<u64>("SELECT sum(applied) FROM shard_counters").unwrap(), people.jobs());

    let check = stand.check(Kind::Satchel, &[], Some(&people));
    assert_eq!(check.run().unwrap().violations, Vec::<String>::new());
    // Whoever comes next gets a number of its own.
    let next =
        "INSERT INTO user_names (user_id, shard) VALUES ('next', 1) RETURNING uid > (SELECT max(uid) FROM users)";
    assert_eq!(stand.sql.run(next).unwrap(), "t");

    let free = "ALTER TABLE records DISABLE TRIGGER ALL";
    let of_u1 = "(shard, uid) = (SELECT shard, uid FROM user_names WHERE user_id = 'u1')";
    let cases = [
        ("UPDATE users SET version = 51", "UPDATE users SET version = 50", "C (a version is not"),
        (
            "UPDATE users SET hash = sha256(hash)",
            "UPDATE users SET hash = seal FROM records
             WHERE (records.shard, records.uid, seq + count - 1) = (users.shard, users.uid, version)",
            "E: user u1: the head is not the end of the ledger",
        ),
        (
            "UPDATE users SET mac = overlay(mac PLACING '\\x00000000' FROM 17)",
            "SELECT 1",
            "E: user u1: the head: it does not fit its signature",
        ),
        (
            "UPDATE records SET body = replace(body, 'bench', 'forge') WHERE seq = 49",
            "SELECT 1",
            "E: user u1: the record of change 49 does not fit its hash",
        ),
        ("DELETE FROM records WHERE seq = 47", "SELECT 1", "E: user u1: change 48 stands where change 47 should be"),
    ];
    for (sql, undo, expected) in cases {
        let sql = format!("{sql} {} {of_u1}", if sql.contains("WHERE") { "AND" } else { "WHERE" });
        let found = stand.found(&check, &format!("{free}; {sql}"), undo);
        assert!(found.contains(expected), "{sql}\n{found}");
    }
}
