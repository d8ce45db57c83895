//! Which web pages may call.

use reqwest::Method;
use satchel_testkit::{Answer, Caller, Satchel, Setup};
use satchel_tests::invariants;

const PAGE: &str = "https://game.example";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";

async fn preflight(caller: &Caller, origin: &str, method: &str, headers: &str) -> Answer {
    let request = caller.request(Method::OPTIONS, "/api/v1/jobs").header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", method);
    caller.send(request.header("Access-Control-Request-Headers", headers)).await
}

async fn get(caller: &Caller, path: &str, origin: &str) -> Answer {
    caller.send(caller.request(Method::GET, path).header("Origin", origin)).await
}

/// The names in a header's list, in order.
fn names(answer: &Answer, header: &str) -> Vec<String> {
    let mut names: Vec<String> = answer.header(header).split(',').map(|name| name.trim().to_lowercase()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn pages_of_named_origins_may_call_and_see_answers_and_errors() {
    let satchel =
        Setup::new().api_env("SATCHEL_CORS_ORIGINS", "http://localhost:3000, https://game.example").start().await;
    let sent = "authorization,content-type,idempotency-key,prefer,if-match,if-none-match";
    let allowed = preflight(&satchel.anyone(), PAGE, "PUT", sent).await.expect(200);
    assert_eq!(allowed.header(ALLOW_ORIGIN), PAGE);
    assert_eq!(
        names(&allowed, "access-control-allow-headers"),
        ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "prefer"]
    );
    assert_eq!(names(&allowed, "access-control-allow-methods"), ["delete", "get", "head", "patch", "post", "put"]);
    assert!(
        !allowed.header("X-Request-Id").is_empty() && allowed.headers.get("access-control-allow-credentials").is_none()
    );
    assert!(preflight(&satchel.anyone(), PAGE, "POST", "x-other").await.headers.get(ALLOW_ORIGIN).is_none());

    let exposed = ["etag", "idempotent-replayed", "location", "preference-applied", "retry-after", "x-request-id"];
    let inventory = get(&satchel.player("u1"), "/api/v1/users/u1/inventory", "http://localhost:3000").await.expect(200);
    assert_eq!(inventory.header(ALLOW_ORIGIN), "http://localhost:3000");
    assert_eq!(names(&inventory, "access-control-expose-headers"), exposed);
    assert!(names(&inventory, "vary").contains(&"origin".to_owned()));
    for (caller, path, status) in [
        (satchel.anyone(), "/api/v1/users/u1/inventory", 401),
        (satchel.player("u2"), "/api/v1/users/u1/inventory", 404),
        (satchel.player("u1"), "/api/v1/queues/stats", 403),
        (satchel.player("u1"), "/nowhere", 404),
    ] {
        let refused = get(&caller, path, PAGE).await;
        assert_eq!((refused.status, refused.header(ALLOW_ORIGIN)), (status, PAGE), "{path}");
    }

    let other = "https://other.example";
    assert!(preflight(&satchel.anyone(), other, "GET", "authorization").await.headers.get(ALLOW_ORIGIN).is_none());
    let answered = get(&satchel.player("u1"), "/api/v1/users/u1/inventory", other).await.expect(200);
    assert!(answered.headers.get(ALLOW_ORIGIN).is_none());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn no_page_may_call_unless_its_origin_is_named() {
    let satchel = Satchel::start().await;
    preflight(&satchel.anyone(), PAGE, "GET", "authorization").await.problem(405);
    let answered = get(&satchel.player("u1"), "/api/v1/users/u1/inventory", PAGE).await.expect(200);
    let cors = |name: &str| name.starts_with("access-control-");
    assert!(!answered.headers.keys().any(|name| cors(name.as_str())), "{answered:?}");
    invariants::check(&satchel).await;
}
