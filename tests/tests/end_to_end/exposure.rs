//! What nobody outside, and no thief of one part, learns: passwords, secrets, tables, and who runs the service how.

use std::net::TcpListener;

use reqwest::Method;
use satchel_testkit::job::reward_pieces;
use satchel_testkit::poison::{self, poisonous};
use satchel_testkit::{Psql, Satchel, Server, Setup, refused_start, wait};
use satchel_tests::invariants;
use serde_json::json;

#[tokio::test]
async fn a_login_that_owns_the_schema_is_refused_whatever_role_it_acts_as() {
    let satchel = Setup::new().workers(0).start().await;
    let (owner, superuser) = (&satchel.database.schema_owner, &satchel.database.owner);
    for program in ["satchel-api", "satchel-worker"] {
        for (login, role, why) in [
            (superuser, "", "is a superuser"),
            (superuser, "satchel_api", "is a superuser"),
            (superuser, "satchel_worker", "is a superuser"),
            (owner, "", "owns the schema"),
            (owner, "satchel_api", "owns the schema"),
            (owner, "satchel_worker", "owns the schema"),
        ] {
            let said = refused_start(&satchel, program, login, role);
            assert!(said.contains("DATABASE_URL") && said.contains(why), "{program} as {role:?}: {said}");
        }
    }
    invariants::check(&satchel).await;
}

#[test]
fn no_statement_of_a_migration_has_the_password_in_it() {
    let server = Server::from_nothing(&[("log_statement", "all")]);
    let log = server.log();
    for role in ["satchel_api", "satchel_worker"] {
        assert!(log.contains(&format!("ALTER ROLE {role} LOGIN PASSWORD 'SCRAM-SHA-256$4096:")), "{log}");
    }
    assert!(!log.contains("password-of-the-tests"));
}

#[tokio::test]
async fn the_secret_of_a_webhook_lies_sealed_in_postgres() {
    let satchel = Setup::new().workers(0).start().await;
    let operator = satchel.operator();
    let post = |path: &str| operator.request(Method::POST, &format!("/api/v1/webhooks{path}"));
    let body = json!({"url": "https://example.com/hook"});
    let added = operator.send(post("").json(&body)).await.expect(201).json();
    let rotated = operator.send(post(&format!("/{}/secret", added["endpointId"].as_str().unwrap()))).await.expect(200);
    let rows = satchel.database.owner.rows("SELECT secret, previous_secret FROM webhook_endpoints");
    let kept = json!(rows).to_string();
    assert_eq!(kept.matches("sealed1:").count(), 2, "{kept}");
    for secret in [&added["secret"], &rotated.json()["secret"]] {
        let secret = secret.as_str().unwrap().strip_prefix("whsec_").unwrap();
        assert!(!kept.contains(secret), "{kept}");
    }
    let plain = operator.send(post("").json(&json!({"url": "http://example.com/hook"}))).await;
    assert_eq!(plain.pointers(), ["/url"]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn events_say_a_code_and_not_what_postgres_said() {
    let satchel = Setup::new().brisk().start().await;
    poison::lay(&satchel);
    let job_id = satchel.game().submit(&poisonous(reward_pieces("u1", "arrow", 1))).await.expect(202).job_id();
    satchel.status_becomes(&job_id, "parked").await;
    let events = satchel.operator().get("/api/v1/events?name=job/parked").await.expect(200).text;
    assert!(events.contains("cannot_be_applied") && events.contains(&job_id), "{events}");
    assert!(!events.contains("SQLSTATE") && !events.contains(poison::MESSAGE), "{events}");
    assert!(satchel.failed().await[0]["reason"].as_str().unwrap().contains(poison::MESSAGE));
    poison::clear(&satchel);
    satchel.retry(&job_id).await.expect(202);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn with_an_address_for_operations_the_public_one_tells_the_status_alone() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let satchel: Satchel = Setup::new().api_env("SATCHEL_API_OPS_ADDR", &free).start().await;
    satchel.anyone().get("/healthz").await.expect(200);
    assert_eq!(satchel.anyone().get("/readyz").await.expect(200).json(), json!({"status": "ok"}));
    satchel.anyone().get("/metrics").await.problem(404);

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |path: &str| client.get(format!("http://{free}{path}")).send();
    assert!(ask("/metrics").await.unwrap().text().await.unwrap().contains("satchel_api_requests_total"));
    assert!(ask("/readyz").await.unwrap().text().await.unwrap().contains("appendfsync"));
    assert_eq!(ask("/healthz").await.unwrap().status(), 200);
    assert_eq!(ask("/api/v1/catalogue").await.unwrap().status(), 404);
    satchel.redis.kill();
    let away = wait::until("it is not ready", || async {
        Some(satchel.anyone().get("/readyz").await).filter(|answer| answer.status == 503)
    })
    .await;
    assert_eq!((away.json(), away.header("Retry-After")), (json!({"status": "unavailable"}), "1"));
    satchel.redis.start();
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn nobody_else_connects_to_a_migrated_database_and_nobody_makes_temporary_tables_there() {
    let satchel = Setup::new().workers(0).start().await;
    let (owner, api) = (&satchel.database.owner, &satchel.database.api);
    let user = format!("stranger_{}", owner.database);
    owner.run(&format!("CREATE ROLE {user} LOGIN PASSWORD 'stranger'"));
    let stranger = Psql { user, password: "stranger".to_owned(), ..api.clone() };
    // The test's database is a copy, which is open to all until it is migrated itself.
    assert_eq!(stranger.run("SELECT 1"), "1");
    satchel.tool(&["migrate"]);
    satchel.tool(&["migrate"]);
    let refused = stranger.try_run("SELECT 1").unwrap_err().0;
    assert!(refused.contains("permission denied for database"), "{refused}");
    let refused = api.try_run("CREATE TEMPORARY TABLE mine ()").unwrap_err().0;
    assert!(refused.contains("permission denied to create temporary tables"), "{refused}");
    owner.run(&format!("DROP ROLE {}", stranger.user));
    satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.start_worker();
    invariants::check(&satchel).await;
}
