//! Connections that die without a word, that are ended while nobody uses them, and that cannot be made for a while
//! (docs/FAULTS.md 13, 14, 28, 29).

use std::net::TcpListener;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use satchel_testkit::job::{not_before, reward_pieces};
use satchel_testkit::load::Endless;
use satchel_testkit::players::one_per_shard;
use satchel_testkit::way::{Traffic, Way, Ways, WebServer};
use satchel_testkit::{Answer, RedisKind, Satchel, Setup, TestRedis, load, wait};
use satchel_tests::invariants;
use serde_json::Value;
use tokio::task::JoinSet;

/// How long a way swallows everything: a blip, a gap.
const BLIP: Duration = Duration::from_secs(1);
const GAP: Duration = Duration::from_secs(10);
/// What goes on again has done so by then, on a machine that has more to do; what waits for the deadline of a whole batch
/// has not.
const GOES_ON_WITHIN: Duration = Duration::from_secs(25);

/// Under load, one way swallows everything for a second; then every shard's jobs are accepted and applied again.
async fn a_blip_on(way: impl Fn(&Ways) -> &Way) {
    a_gap_on(BLIP, way).await;
}

/// The same for longer.
async fn a_gap_on(time: Duration, way: impl Fn(&Ways) -> &Way) {
    let satchel = Setup::new().with_ways().start().await;
    let load = Endless::start(&satchel);
    load::more_accepted(&satchel, 50).await;
    let due = Utc::now() + TimeDelta::milliseconds(1_500);
    satchel.game().submit(&not_before(reward_pieces("delayed", "gold", 1), due)).await.expect(202);
    way(satchel.ways()).swallow_for(time).await;
    let goes_on = tokio::time::timeout(GOES_ON_WITHIN, every_shard_goes_on(&satchel));
    assert!(goes_on.await.is_ok(), "{GOES_ON_WITHIN:?} after the blip something stands still");
    load.stop().await;
    invariants::check(&satchel).await;
    load::assert_none_rejected(&satchel);
}

async fn every_shard_goes_on(satchel: &Satchel) {
    let game = satchel.game();
    let mut jobs = Vec::new();
    for user in one_per_shard() {
        jobs.push(game.submit_until_accepted(&user, &reward_pieces(&user, "gold", 1)).await.job_id());
    }
    for job in jobs {
        satchel.finished(&job).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blip_between_api_and_redis_is_over_when_it_is_over() {
    a_blip_on(|ways| &ways.api_to_redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blip_between_workers_and_redis_is_over_when_it_is_over() {
    a_blip_on(|ways| &ways.worker_to_redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blip_between_api_and_postgres_is_over_when_it_is_over() {
    a_blip_on(|ways| &ways.api_to_postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blip_between_workers_and_postgres_is_over_when_it_is_over() {
    a_blip_on(|ways| &ways.worker_to_postgres).await;
}

/// Leads all ways to Redis elsewhere until that is noticed, and back. Connections to the other place stay open.
async fn lead_astray(satchel: &Satchel, name: &str, port: u16) {
    let ways = [&satchel.ways().api_to_redis, &satchel.ways().worker_to_redis];
    let opened: Vec<u64> = ways.iter().map(|way| way.opened()).collect();
    for way in ways {
        way.lead_to(port);
        way.cut();
    }
    let job = reward_pieces("u1", "gold", 1);
    wait::until(&format!("{name}: submissions are refused"), || async {
        (satchel.game().submit_under(name, &job).await.status == 503).then_some(())
    })
    .await;
    wait::until_true(&format!("{name}: API and workers have tried to connect again"), || {
        ways.iter().zip(&opened).all(|(way, opened)| way.opened() > opened + 1)
    })
    .await;
    ready_with(satchel, 503).await;
    for way in ways {
        way.lead_to(satchel.redis.port());
    }
    let accepted = satchel.game().submit_until_accepted(name, &job).await.job_id();
    satchel.finished(&accepted).await;
    ready_with(satchel, 200).await;
}

async fn ready_with(satchel: &Satchel, status: u16) {
    wait::until(&format!("/readyz answers {status}"), || async {
        (satchel.anyone().get("/readyz").await.status == status).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_stands_in_the_place_of_redis_is_left_when_redis_is_back() {
    let satchel = Setup::new().with_ways().start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "gold", 1)).await.expect(200);
    let (web, other) = (WebServer::start().await, TestRedis::launch(RedisKind::Password));
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let closed = nobody.local_addr().unwrap().port();
    drop(nobody);
    lead_astray(&satchel, "a web server", web.port()).await;
    lead_astray(&satchel, "another password", other.port()).await;
    lead_astray(&satchel, "nobody", closed).await;
    other.commands.run(&["REPLICAOF", "127.0.0.1", &closed.to_string()]);
    other.commands.run(&["CONFIG", "SET", "requirepass", satchel.redis.password()]);
    lead_astray(&satchel, "a replica", other.port()).await;
    for output in [satchel.api_output(), satchel.worker_output()] {
        let count = |line: &str| output.matches(line).count();
        // Another line says what is not done "until Redis is back".
        let (begun, over) = (count("Redis is away or not as it should be"), count("Redis is back seconds="));
        assert!(begun >= over && (1..=8).contains(&begun), "{begun} outages told of, {over} ended:\n{output}");
    }
    invariants::check(&satchel).await;
}

/// Ends the API's sessions, all of which are idle.
fn end_sessions(satchel: &Satchel) {
    satchel.database.owner.run(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'satchel-api'",
    );
}

fn sessions(satchel: &Satchel) -> i64 {
    satchel.database.owner.number(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'satchel-api'",
    )
}

/// Has the pool make more than one connection.
async fn warm_up(satchel: &Satchel) {
    let mut asking = JoinSet::new();
    for _ in 0..16 {
        let operator = satchel.operator();
        asking.spawn(async move { operator.get("/api/v1/users/u1/history").await.expect(200) });
    }
    asking.join_all().await;
}

async fn ask(satchel: &Satchel, method: Method, path: &str) -> Answer {
    match method {
        Method::GET => satchel.operator().get(path).await,
        method => satchel.operate(method, path, None).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_postgres_ended_while_idle_cost_nobody_an_answer() {
    let satchel = Satchel::start().await;
    let job = reward_pieces("u1", "arrow", 1);
    let job_id = satchel.game().submit_under("k", &job).await.expect(202).job_id();
    satchel.finished(&job_id).await;
    let status = format!("/api/v1/jobs/{job_id}");
    let routes = [
        (Method::GET, status.as_str()),
        (Method::GET, "/api/v1/users/u1/inventory"),
        (Method::GET, "/api/v1/users/u1/history"),
        (Method::GET, "/api/v1/catalogue"),
        (Method::GET, "/api/v1/events"),
        (Method::GET, "/api/v1/functions"),
        (Method::GET, "/api/v1/queues/stats"),
        (Method::GET, "/api/v1/queues/failed"),
        (Method::POST, "pause"),
        (Method::POST, "resume"),
        (Method::GET, "/api/v1/queues/actions"),
        (Method::GET, "/api/v1/webhooks"),
        (Method::GET, "/readyz"),
    ];
    for (method, path) in routes {
        warm_up(&satchel).await;
        end_sessions(&satchel);
        ask(&satchel, method, path).await.expect(200);
    }
    warm_up(&satchel).await;
    end_sessions(&satchel);
    let again = satchel.game().submit_under("k", &job).await;
    assert_eq!(again.job_id(), job_id, "{again:?}");

    // The same by Postgres's own rule, again and again.
    let database = &satchel.database.owner.database;
    satchel.database.owner.run(&format!("ALTER DATABASE {database} SET idle_session_timeout = '300ms'"));
    end_sessions(&satchel);
    for _ in 0..3 {
        warm_up(&satchel).await;
        wait::until_true("Postgres has ended the idle sessions", || sessions(&satchel) == 0).await;
        ask(&satchel, Method::GET, &status).await.expect(200);
    }
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_long_is_waited_for() {
    let satchel = Satchel::start().await;
    satchel.database.owner.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(4); RETURN NULL; END';
         CREATE TRIGGER slow AFTER INSERT ON records FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    );
    let job_id = satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202).job_id();
    satchel.finished(&job_id).await;
    satchel.database.owner.run("DROP TRIGGER slow ON records");
    invariants::check(&satchel).await;
    let output = satchel.worker_output();
    assert!(!output.contains("dead") && !output.contains("tries again"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_between_api_and_redis_is_over_when_it_is_over() {
    a_gap_on(GAP, |ways| &ways.api_to_redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_between_workers_and_redis_is_over_when_it_is_over() {
    a_gap_on(GAP, |ways| &ways.worker_to_redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_between_workers_and_postgres_is_over_when_it_is_over() {
    a_gap_on(GAP, |ways| &ways.worker_to_postgres).await;
}

/// A link that carries 20 KB a second, over which the first thing that a worker meets is a backlog.
async fn a_backlog_over_a_slow_link(way: impl Fn(&Ways) -> &Way) {
    let satchel = Setup::new().with_ways().workers(0).start().await;
    let users = one_per_shard();
    for _ in 0..3 {
        let jobs = (0..1_000).map(|number| reward_pieces(&users[number % users.len()], "gold", 1));
        satchel.game().submit(&Value::Array(jobs.collect())).await.expect(202);
    }
    way(satchel.ways()).set(Traffic::IsSlow(20_000));
    satchel.start_worker();
    let goes_on = wait::until_true("some are decided", || satchel.decided() > 100);
    assert!(tokio::time::timeout(GOES_ON_WITHIN, goes_on).await.is_ok(), "nothing is decided");
    way(satchel.ways()).set(Traffic::Flows);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 3000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_worked_off_over_a_slow_link_to_redis() {
    a_backlog_over_a_slow_link(|ways| &ways.worker_to_redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_worked_off_over_a_slow_link_to_postgres() {
    a_backlog_over_a_slow_link(|ways| &ways.worker_to_postgres).await;
}
