//! Whether the service is alive and ready, and whether its queue keeps what it is given.

use satchel_tests::{Satchel, Setup, invariants, wait};

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
        satchel.redis.cli.run(&["CONFIG", "SET", setting, weak]);
        wait::until(&format!("/readyz warns of {setting} {weak}"), || async {
            let warnings = warnings(&satchel).await;
            warnings.iter().any(|warning| warning.contains(&format!("{setting} {weak}"))).then_some(())
        })
        .await;
        satchel.redis.cli.run(&["CONFIG", "SET", setting, strong]);
        wait::until("/readyz warns no more", || async { warnings(&satchel).await.is_empty().then_some(()) }).await;
    }
    ready_with(&satchel, 200).await;
    invariants::check(&satchel).await;
}
