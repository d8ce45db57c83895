//! What becomes of bad credentials, and of keys that change: told in the log, counted, limited, and read anew.

use std::path::PathBuf;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use satchel_testkit::token::{claims, now, sign, sign_with, token};
use satchel_testkit::{Satchel, Setup, scratch_dir, wait};
use satchel_tests::invariants;
use serde_json::json;

const PATH: &str = "/api/v1/users/u1/inventory";

fn expired() -> String {
    let mut claims = claims("operator", "ops", "");
    claims["exp"] = json!(now() - 120);
    sign(&claims)
}

/// A value of the API's metrics, by the line's beginning.
async fn metric(satchel: &Satchel, line: &str) -> Option<u64> {
    let metrics = satchel.anyone().get("/metrics").await.expect(200).text;
    metrics.lines().find_map(|told| told.strip_prefix(line)?.trim().parse().ok())
}

#[tokio::test]
async fn a_refused_credential_leaves_a_line_and_a_count_of_which_check_failed() {
    let satchel = Satchel::start().await;
    let answer = satchel.anyone().with(&expired()).get(PATH).await;
    answer.problem(401);
    assert!(!answer.text.contains("exp"), "{}", answer.text);
    let line = wait::blocking_until("the log tells of it", || satchel.api_line("refused a credential"));
    let id = answer.header("X-Request-Id");
    assert!(line.contains(r#"check="exp""#) && line.contains(id) && line.contains("127.0.0.1"), "{line}");

    satchel.anyone().with("sk_none_none").get(PATH).await.problem(401);
    satchel.anyone().get(PATH).await.problem(401);
    for (check, count) in [("exp", 1), ("api_key", 1), ("none", 1)] {
        let counter = format!("satchel_api_credentials_refused_total{{check=\"{check}\"}}");
        assert_eq!(metric(&satchel, &counter).await, Some(count), "{check}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn beyond_the_limit_an_address_is_told_to_wait_but_for_what_was_good_before() {
    let proxies = ("SATCHEL_TRUSTED_PROXIES", "127.0.0.1");
    let setup = Setup::new().api_env("SATCHEL_REFUSED_PER_MINUTE", "3").api_env(proxies.0, proxies.1);
    let satchel = setup.start().await;
    let known = satchel.player("u1");
    known.get(PATH).await.expect(200);
    let key = satchel.anyone().with(&satchel.create_api_key("game", "inventory:read"));
    key.get(PATH).await.expect(200);
    for _ in 0..3 {
        satchel.anyone().with(&expired()).get(PATH).await.problem(401);
    }
    let limited = satchel.anyone().with(&token("player", "u2", "")).get(PATH).await;
    limited.problem(429);
    let wait: u64 = limited.header("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    known.get(PATH).await.expect(200);
    key.get(PATH).await.expect(200);
    let elsewhere = satchel
        .anyone()
        .with(&token("operator", "elsewhere", ""))
        .request(reqwest::Method::GET, PATH)
        .header("X-Forwarded-For", "192.0.2.1");
    satchel.anyone().send(elsewhere).await.expect(200);
    invariants::check(&satchel).await;
}

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../api/fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn becomes(satchel: &Satchel, credential: &str, status: u16) {
    wait::until(&format!("the token is answered {status}"), || async {
        (satchel.anyone().with(credential).get(PATH).await.status == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_file_of_keys_is_read_again_when_it_changes_and_a_bad_one_changes_nothing() {
    let keys = scratch_dir("keys").join("keys.pem");
    std::fs::write(&keys, fixture("p256.public.pem")).unwrap();
    let satchel = Setup::new().api_env("SATCHEL_JWT_KEYS_FILE", keys.to_str().unwrap()).start().await;
    let key = EncodingKey::from_ed_pem(fixture("ed25519.private.pem").as_bytes()).unwrap();
    let by_ed = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims("operator", "ops", ""), &key).unwrap();
    satchel.anyone().with(&by_ed).get(PATH).await.problem(401);

    std::fs::write(&keys, fixture("ed25519.public.pem")).unwrap();
    becomes(&satchel, &by_ed, 200).await;
    std::fs::write(&keys, "garbage").unwrap();
    wait::blocking_until("the log tells of it", || satchel.api_line("stay as they were"));
    satchel.anyone().with(&by_ed).get(PATH).await.expect(200);
    std::fs::write(&keys, fixture("p256.public.pem")).unwrap();
    becomes(&satchel, &by_ed, 401).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_secret_before_is_accepted_while_it_is_changed() {
    const OLD: &str = "the-secret-before-the-secret-before";
    let satchel = Setup::new().api_env("SATCHEL_JWT_SECRET_PREVIOUS", OLD).start().await;
    let old = sign_with(&Header::new(Algorithm::HS256), &claims("operator", "ops", ""), OLD.as_bytes());
    satchel.anyone().with(&old).get(PATH).await.expect(200);
    satchel.operator().get(PATH).await.expect(200);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn answers_are_neither_guessed_at_nor_kept() {
    let satchel = Satchel::start().await;
    let operator = satchel.operator();
    let job = operator.get("/api/v1/queues/stats").await.expect(200);
    let none = satchel.anyone().get(PATH).await;
    let unknown = operator.get("/nothing/here").await;
    for answer in [job, none, unknown] {
        let told = (answer.header("X-Content-Type-Options"), answer.header("Cache-Control"));
        assert_eq!(told, ("nosniff", "no-store"), "{answer:?}");
    }
    let inventory = operator.get(PATH).await.expect(200);
    assert_eq!(inventory.header("Cache-Control"), "private, no-cache");
    let again = operator.request(reqwest::Method::GET, PATH).header("If-None-Match", inventory.header("ETag"));
    let again = operator.send(again).await.expect(304);
    assert_eq!(
        (again.header("X-Content-Type-Options"), again.header("Cache-Control")),
        ("nosniff", "private, no-cache")
    );
    invariants::check(&satchel).await;
}
