//! Whether the service is alive and ready, and whether its queue keeps what it is given.

use satchel_testkit::job::reward_pieces;
use satchel_testkit::{Satchel, Setup, wait};
use satchel_tests::invariants;

/// Waits until `/readyz` answers with `status`, and gives what it says.
async fn ready_with(satchel: &Satchel, status: u16) -> String {
    wait::until(&format!("/readyz answers {status}"), || async {
        let answer = satchel.anyone().get("/readyz").await;
        (answer.status == status).then_some(answer.text)
    })
    .await
}

#[tokio::test]
async fn a_service_with_its_stores_is_healthy_and_ready() {
    let satchel = Satchel::start().await;
    satchel.anyone().get("/healthz").await.expect(200);
    let ready = satchel.anyone().get("/readyz").await.expect(200);
    assert!(!ready.header("X-Request-Id").is_empty());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn without_postgres_it_is_alive_and_not_ready_until_postgres_is_back() {
    let satchel = Setup::new().own_postgres().start().await;
    satchel.database.server.stop();
    let said = ready_with(&satchel, 503).await;
    assert!(said.to_lowercase().contains("postgres") || said.to_lowercase().contains("database"), "{said}");
    satchel.anyone().get("/healthz").await.expect(200);
    let answer = satchel.player("u1").get("/api/v1/users/u1/inventory").await;
    answer.problem(503);
    assert!(!answer.header("Retry-After").is_empty(), "{answer:?}");
    satchel.database.server.start();
    ready_with(&satchel, 200).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn without_redis_it_is_alive_and_not_ready_until_redis_is_back() {
    let satchel = Satchel::start().await;
    satchel.redis.kill();
    let said = ready_with(&satchel, 503).await;
    assert!(said.to_lowercase().contains("redis") || said.to_lowercase().contains("queue"), "{said}");
    satchel.anyone().get("/healthz").await.expect(200);
    satchel.player("u1").get("/api/v1/users/u1/inventory").await.expect(200);
    satchel.redis.start();
    ready_with(&satchel, 200).await;
    invariants::check(&satchel).await;
}

async fn warnings(satchel: &Satchel) -> Vec<String> {
    let report = satchel.anyone().get("/readyz").await.expect(200).json();
    let warnings = report["checks"]["redis"]["warnings"].as_array().expect("a list of warnings");
    warnings.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_queue_that_could_lose_jobs_is_said_so() {
    let satchel = Satchel::start().await;
    for (setting, weak, strong) in [
        ("appendfsync", "everysec", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendonly", "no", "yes"),
    ] {
        satchel.redis.commands.run(&["CONFIG", "SET", setting, weak]);
        wait::until(&format!("/readyz warns of {setting} {weak}"), || async {
            let warnings = warnings(&satchel).await;
            warnings.iter().any(|warning| warning.contains(&format!("{setting} {weak}"))).then_some(())
        })
        .await;
        satchel.redis.commands.run(&["CONFIG", "SET", setting, strong]);
        wait::until("/readyz warns no more", || async { warnings(&satchel).await.is_empty().then_some(()) }).await;
    }
    ready_with(&satchel, 200).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_redis_that_refuses_writes_makes_it_unready_and_is_said_so() {
    let satchel = Satchel::start().await;
    for (begin, end, reason) in [
        (vec!["CONFIG", "SET", "maxmemory", "1"], vec!["CONFIG", "SET", "maxmemory", "0"], "OOM"),
        (vec!["REPLICAOF", "127.0.0.1", "1"], vec!["REPLICAOF", "NO", "ONE"], "read only replica"),
        (
            vec!["CONFIG", "SET", "min-replicas-to-write", "1"],
            vec!["CONFIG", "SET", "min-replicas-to-write", "0"],
            "Not enough good replicas",
        ),
    ] {
        satchel.redis.commands.run(&begin);
        let said = ready_with(&satchel, 503).await;
        satchel.redis.commands.run(&end);
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        let (redis, postgres) = (&report["checks"]["redis"], &report["checks"]["postgres"]);
        assert_eq!((&redis["status"], &postgres["status"]), (&"unavailable".into(), &"ok".into()), "{said}");
        assert!(redis["reason"].as_str().unwrap().contains(reason), "{said}");
        ready_with(&satchel, 200).await;
    }
    assert_eq!(satchel.redis.commands.leftovers(), Vec::<String>::new(), "the small writes are gone");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_journal_keeps_it_ready_while_redis_refuses_and_nothing_is_warned_of_that_it_prevents() {
    let satchel = Setup::new().journaled().start().await;
    satchel.redis.commands.run(&["CONFIG", "SET", "appendfsync", "everysec"]);
    satchel.redis.commands.run(&["CONFIG", "SET", "maxmemory", "1"]);
    wait::until("/readyz says that Redis takes no jobs", || async {
        let warnings = warnings(&satchel).await;
        (warnings.len() == 1 && warnings[0].contains("journal")).then_some(())
    })
    .await;
    satchel.redis.commands.run(&["CONFIG", "SET", "maxmemory", "0"]);
    wait::until("/readyz warns no more", || async { warnings(&satchel).await.is_empty().then_some(()) }).await;
    let report = satchel.anyone().get("/readyz").await.expect(200).json();
    assert_eq!(report["checks"]["redis"]["durability"]["appendfsync"], "everysec", "{report}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_postgres_that_is_read_only_makes_it_unready_and_is_said_so() {
    let satchel = Satchel::start().await;
    let owner = &satchel.database.owner;
    let set = |value: &str| {
        let sql = format!("ALTER DATABASE {} SET default_transaction_read_only = {value}", owner.database);
        owner.run(&format!("BEGIN READ WRITE; {sql}; COMMIT"));
        // Only sessions that are made from now on are so.
        owner.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND usename IN ('satchel_api', 'satchel_worker')",
        );
    };
    set("on");
    let said = wait::until("/readyz says that Postgres is read-only", || async {
        let answer = satchel.anyone().get("/readyz").await;
        (answer.status == 503 && answer.text.contains("read-only")).then(|| answer.json())
    })
    .await;
    set("off");
    let (redis, postgres) = (&said["checks"]["redis"], &said["checks"]["postgres"]);
    assert_eq!((&redis["status"], &postgres["reason"]), (&"ok".into(), &"it is read-only".into()), "{said}");
    ready_with(&satchel, 200).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn shards_without_a_worker_and_how_long_a_job_waits_are_told() {
    let satchel = Setup::new().workers(0).start().await;
    satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    let ready = || async { satchel.anyone().get("/readyz").await.expect(200).json()["checks"]["queue"].clone() };
    let told = ready().await;
    assert_eq!(told["shardsWithoutOwner"], 64, "{told}");
    assert!(told["warnings"][0].as_str().unwrap().contains("64 shards have no worker"), "{told}");
    let waited = || async { satchel.stats().await["oldestUndecidedMs"].as_u64().filter(|millis| *millis > 0) };
    wait::until("the job has waited for a while", waited).await;
    let metrics = satchel.anyone().get("/metrics").await.expect(200).text;
    assert!(metrics.contains("satchel_queue_shards_without_owner 64\n"), "{metrics}");
    let oldest = metrics.lines().find_map(|line| line.strip_prefix("satchel_queue_oldest_undecided_seconds "));
    assert!(oldest.unwrap().parse::<f64>().unwrap() > 0.0, "{metrics}");

    satchel.start_worker();
    let served = || async { (ready().await["shardsWithoutOwner"] == 0).then_some(()) };
    wait::until("every shard has a worker", served).await;
    assert_eq!(ready().await["warnings"], serde_json::json!([]));
    invariants::check(&satchel).await;
    let stats = satchel.stats().await;
    assert!(stats["oldestUndecidedMs"].is_null() && stats["shardsWithoutOwner"] == 0, "{stats}");
}
