//! Who may do what: each route with each kind of caller (HTTP.md "Who may").

use reqwest::Method;
use satchel_api::routes::{Access, TABLE};
use satchel_testkit::job::{reward, test_catalogue, use_item};
use satchel_testkit::token::{ALL_SCOPES, token};
use satchel_testkit::{Answer, Caller, Satchel, Setup};
use satchel_tests::invariants;
use serde_json::json;

/// One kind of caller; the resources asked for are those of `u1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    BadToken,
    OwnPlayer,
    OtherPlayer,
    /// A player whose token claims every scope: players have none.
    PlayerWithScopes,
    /// A service of the same name as the player, without scope.
    NoScope,
    RewardsWrite,
    ItemsUse,
    InventoryRead,
    EventsWrite,
    AllScopes,
    Operator,
    /// An API key with the scope `rewards:write`.
    ApiKey,
    RevokedApiKey,
}

use Who::*;

const EVERYONE: [Who; 14] = [
    Nobody,
    BadToken,
    OwnPlayer,
    OtherPlayer,
    PlayerWithScopes,
    NoScope,
    RewardsWrite,
    ItemsUse,
    InventoryRead,
    EventsWrite,
    AllScopes,
    Operator,
    ApiKey,
    RevokedApiKey,
];

/// What each caller is answered: `allowed` with the good status, those listed in `refused` with theirs,
/// callers without good credentials with 401 and all others with 403.
struct Cells {
    good: u16,
    allowed: &'static [Who],
    refused: &'static [(Who, u16)],
}

impl Cells {
    fn expected(&self, who: Who) -> u16 {
        let listed = self.refused.iter().find(|(refused, _)| *refused == who).map(|(_, status)| *status);
        match who {
            _ if self.allowed.contains(&who) => self.good,
            Nobody | BadToken | RevokedApiKey => 401,
            _ => listed.unwrap_or(403),
        }
    }
}

/// What a route's refusals of a caller say, whatever the request asks for: 401 or 403, or nothing.
fn refusal(access: Access, who: Who) -> Option<u16> {
    let has_scope = |scopes: &[Who]| scopes.contains(&who);
    let may = match access {
        Access::Anyone => return None,
        _ if has_scope(&[Nobody, BadToken, RevokedApiKey]) => return Some(401),
        Access::SignedIn => true,
        Access::JobSubmitters => who != Operator,
        Access::EventSenders => has_scope(&[EventsWrite, AllScopes]),
        Access::JobReaders => who != NoScope,
        Access::UserReaders => {
            has_scope(&[OwnPlayer, OtherPlayer, PlayerWithScopes, InventoryRead, AllScopes, Operator])
        }
        Access::Operators(_) => who == Operator,
    };
    (!may).then_some(403)
}

/// Every kind of caller, ready to call.
struct Callers {
    satchel: Satchel,
    api_key: String,
    revoked_api_key: String,
}

impl Callers {
    async fn start() -> Self {
        let setup = Setup::new().worker_env("SATCHEL_LEASE_TTL_MS", "2000").worker_env("SATCHEL_LEASE_RENEW_MS", "400");
        let satchel = setup.start().await;
        let api_key = satchel.create_api_key("game", "rewards:write");
        let revoked_api_key = satchel.create_api_key("game", ALL_SCOPES);
        satchel.revoke_api_key(&revoked_api_key);
        Self { satchel, api_key, revoked_api_key }
    }

    fn caller(&self, who: Who) -> Caller {
        let credential = match who {
            Nobody => return self.satchel.anyone(),
            BadToken => "garbage".to_owned(),
            OwnPlayer => token("player", "u1", ""),
            OtherPlayer => token("player", "u2", ""),
            PlayerWithScopes => token("player", "u2", ALL_SCOPES),
            NoScope => token("service", "u1", ""),
            RewardsWrite => token("service", "u1", "rewards:write"),
            ItemsUse => token("service", "u1", "items:use"),
            InventoryRead => token("service", "u1", "inventory:read"),
            EventsWrite => token("service", "u1", "events:write"),
            AllScopes => token("service", "game", ALL_SCOPES),
            Operator => token("operator", "u1", ""),
            ApiKey => self.api_key.clone(),
            RevokedApiKey => self.revoked_api_key.clone(),
        };
        self.satchel.anyone().with(&credential)
    }

    /// Calls as everyone and compares each answer with its cell.
    async fn check(&self, what: &str, cells: &Cells, call: impl AsyncFn(Caller) -> Answer) {
        for who in EVERYONE {
            let answer = call(self.caller(who)).await;
            let expected = cells.expected(who);
            assert_eq!(answer.status, expected, "{what} as {who:?}: {}", answer.text);
            if answer.status >= 400 {
                answer.problem(expected);
            }
        }
    }

    async fn check_get(&self, path: &str, cells: &Cells) {
        self.check(path, cells, async |caller| caller.get(path).await).await;
    }
}

#[tokio::test]
async fn every_route_refuses_those_who_may_not_call_it() {
    let callers = Callers::start().await;
    let id = uuid::Uuid::nil().to_string();
    for route in TABLE {
        let named = [("{userId}", "u1"), ("{itemId}", "gold"), ("{functionId}", "item-used-notifier")];
        let path = named.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
        let path: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { id.as_str() } else { part }).collect();
        // No route knows this parameter: so none does anything for those who may call it.
        let path = format!("{}?nonsense=1", path.join("/"));
        for who in EVERYONE {
            let method: Method = route.method.as_str().parse().unwrap();
            let caller = callers.caller(who);
            let answer = caller.send(caller.request(method, &path)).await;
            let asked = format!("{} as {who:?}: {}", route.operation, answer.text);
            match refusal(route.access, who) {
                Some(refused) => assert_eq!(answer.status, refused, "{asked}"),
                None if route.access == Access::Anyone => assert_eq!(answer.status, 200, "{asked}"),
                None => assert!([400, 404, 415, 422].contains(&answer.status), "{asked}"),
            }
            assert!(answer.status == 200 || route.refusals().contains(&answer.status), "{asked}");
        }
    }
    assert_eq!(callers.satchel.database.owner.number("SELECT count(*) FROM operator_actions"), 0);
    invariants::check(&callers.satchel).await;
}

#[tokio::test]
async fn only_services_with_the_scope_reward() {
    let callers = Callers::start().await;
    let cells = Cells { good: 202, allowed: &[RewardsWrite, AllScopes, ApiKey], refused: &[] };
    let job = reward("u1", json!(["key"]));
    callers.check("reward", &cells, async |caller| caller.submit(&job).await).await;
    invariants::check(&callers.satchel).await;
    assert_eq!(callers.satchel.database.owner.number("SELECT count(*) FROM jobs"), 3);
}

#[tokio::test]
async fn only_the_player_itself_and_services_with_the_scope_use_items() {
    let callers = Callers::start().await;
    let cells = Cells { good: 202, allowed: &[OwnPlayer, ItemsUse, AllScopes], refused: &[] };
    let job = use_item("u1", "arrow", 1);
    callers.check("use", &cells, async |caller| caller.submit(&job).await).await;
    invariants::check(&callers.satchel).await;
    assert_eq!(callers.satchel.database.owner.number("SELECT count(*) FROM jobs"), 3);
}

#[tokio::test]
async fn only_the_player_itself_readers_and_operators_see_inventory_and_history() {
    let callers = Callers::start().await;
    callers.satchel.game().submit_and_wait(&reward("u1", json!(["key"]))).await.expect(200);
    let cells = Cells {
        good: 200,
        allowed: &[OwnPlayer, InventoryRead, AllScopes, Operator],
        refused: &[(OtherPlayer, 404), (PlayerWithScopes, 404)],
    };
    callers.check_get("/api/v1/users/u1/inventory", &cells).await;
    callers.check_get("/api/v1/users/u1/history", &cells).await;
    invariants::check(&callers.satchel).await;
}

#[tokio::test]
async fn only_the_player_itself_the_submitter_readers_and_operators_see_a_job() {
    let callers = Callers::start().await;
    let job = callers.satchel.game().submit_and_wait(&reward("u1", json!(["key"]))).await.expect(200).job_id();
    let cells = Cells {
        good: 200,
        // The API key speaks for the submitter.
        allowed: &[OwnPlayer, InventoryRead, AllScopes, Operator, ApiKey],
        refused: &[
            (OtherPlayer, 404),
            (PlayerWithScopes, 404),
            (RewardsWrite, 404),
            (ItemsUse, 404),
            (EventsWrite, 404),
        ],
    };
    callers.check_get(&format!("/api/v1/jobs/{job}"), &cells).await;
    // While it is queued as much as when it is applied.
    callers.satchel.kill_workers();
    let queued = callers.satchel.game().submit(&reward("u1", json!(["gold"]))).await.expect(202).job_id();
    callers.check_get(&format!("/api/v1/jobs/{queued}"), &cells).await;
    callers.satchel.start_worker();
    invariants::check(&callers.satchel).await;
}

#[tokio::test]
async fn everyone_known_reads_the_catalogue_and_operators_alone_publish_it() {
    let callers = Callers::start().await;
    let reads = Cells {
        good: 200,
        allowed: &[
            OwnPlayer,
            OtherPlayer,
            PlayerWithScopes,
            NoScope,
            RewardsWrite,
            ItemsUse,
            InventoryRead,
            EventsWrite,
            AllScopes,
            Operator,
            ApiKey,
        ],
        refused: &[],
    };
    callers.check_get("/api/v1/catalogue", &reads).await;
    callers.check_get("/api/v1/items/gold", &reads).await;
    let writes = Cells { good: 200, allowed: &[Operator], refused: &[] };
    let catalogue = test_catalogue();
    let put = async |caller: Caller| {
        let version = callers.satchel.operator().get("/api/v1/catalogue").await.header("ETag").to_owned();
        let request = caller.request(Method::PUT, "/api/v1/catalogue?dryRun=true").header("If-Match", version);
        caller.send(request.json(&catalogue)).await
    };
    callers.check("publish", &writes, put).await;
    invariants::check(&callers.satchel).await;
}

#[tokio::test]
async fn health_and_readiness_are_open() {
    let callers = Callers::start().await;
    let open = Cells { good: 200, allowed: &EVERYONE, refused: &[] };
    callers.check_get("/healthz", &open).await;
    callers.check_get("/readyz", &open).await;
    invariants::check(&callers.satchel).await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let callers = Callers::start().await;
    let caller = callers.caller(ApiKey);
    caller.submit(&reward("u1", json!(["key"]))).await.expect(202);
    callers.satchel.revoke_api_key(&callers.api_key);
    // The API may remember a key for a moment, but not for long.
    satchel_testkit::wait::until("the key is refused", || async {
        (caller.submit(&reward("u1", json!(["key"]))).await.status == 401).then_some(())
    })
    .await;
    invariants::check(&callers.satchel).await;
}
