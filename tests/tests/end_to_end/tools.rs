//! The commands beside the service, and what the programs say when they are set up wrongly.

use std::process::{Command, Stdio};

use satchel_testkit::job::{reward, test_catalogue, use_item};
use satchel_testkit::{Satchel, Setup, binary, scratch_dir};
use satchel_tests::invariants;
use serde_json::json;

/// Runs a program that must fail, and gives what it says.
fn refused(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// A program with nothing but these variables.
fn bare(program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary(program));
    command.args(arguments).env_clear().envs(env.iter().copied());
    command
}

#[tokio::test]
async fn tokens_are_made_for_each_role() {
    let satchel = Satchel::start().await;
    let caller = |arguments: &[&str]| satchel.anyone().with(&satchel.tool(&[&["token"], arguments].concat()));
    let game = caller(&["--role", "service", "--sub", "game"]);
    game.submit(&reward("u1", json!(["key", "arrow"]))).await.expect(202);
    let archer = caller(&["--role", "service", "--sub", "archer", "--scope", "items:use", "--scope", "inventory:read"]);
    archer.submit(&use_item("u1", "arrow", 1)).await.expect(202);
    archer.get("/api/v1/users/u1/inventory").await.expect(200);
    archer.submit(&reward("u1", json!(["key"]))).await.problem(403);
    let player = caller(&["--role", "player", "--sub", "u1", "--ttl", "15m"]);
    player.get("/api/v1/users/u1/history").await.expect(200);
    player.get("/api/v1/users/u2/history").await.problem(404);
    caller(&["--role", "operator", "--sub", "ops"]).get("/api/v1/users/u2/history").await.expect(200);
    invariants::check(&satchel).await;
}

#[test]
fn tokens_out_of_shape_are_not_made() {
    let secret = [("SATCHEL_JWT_SECRET", satchel_testkit::token::SECRET)];
    let token = |arguments: &[&str]| bare("satchel", &[&["token"], arguments].concat(), &secret);
    for arguments in [
        &["--role", "king", "--sub", "u1"][..],
        &["--role", "player", "--sub", "u 1"],
        &["--role", "player", "--sub", "u1", "--scope", "items:use"],
        &["--role", "service", "--sub", "game", "--scope", "everything"],
        &["--role", "player", "--sub", "u1", "--ttl", "soon"],
        &["--role", "player"],
    ] {
        refused(&mut token(arguments));
    }
    let arguments = ["token", "--role", "player", "--sub", "u1"];
    assert!(refused(&mut bare("satchel", &arguments, &[])).contains("SATCHEL_JWT_SECRET"));
    let said = refused(&mut bare("satchel", &arguments, &[("SATCHEL_JWT_SECRET", "too short")]));
    assert!(said.contains("SATCHEL_JWT_SECRET") && !said.contains("too short"), "{said}");
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let satchel = Satchel::start().await;
    let key = satchel.tool(&["key", "create", "--name", "lobby", "--sub", "lobby", "--scope", "rewards:write"]);
    let operator = satchel.tool(&["key", "create", "--name", "support", "--sub", "ann", "--role", "operator"]);
    assert!(key.starts_with("sk_"), "{key}");
    let caller = satchel.anyone().with(&key);
    caller.submit(&reward("u1", json!(["key"]))).await.expect(202);
    caller.submit(&use_item("u1", "key", 1)).await.problem(403);
    satchel.anyone().with(&operator).get("/api/v1/users/u1/inventory").await.expect(200);

    let prefix = key.split('_').nth(1).unwrap();
    let line = |list: &str| list.lines().find(|line| line.starts_with(prefix)).unwrap().to_owned();
    let list = satchel.tool(&["key", "list"]);
    assert!(line(&list).contains("lobby") && line(&list).contains("rewards:write"), "{list}");
    let secret = key.rsplit('_').next().unwrap();
    assert!(!list.contains(secret), "the list shows a secret");
    let hashes = satchel.database.owner.run("SELECT string_agg(api_keys::text, ' ') FROM api_keys");
    assert!(!hashes.contains(secret), "the database holds a secret");

    satchel.tool(&["key", "revoke", prefix]);
    assert!(line(&satchel.tool(&["key", "list"])).contains("revoked"));
    satchel_testkit::wait::until("the key is refused", || async {
        (caller.get("/api/v1/catalogue").await.status == 401).then_some(())
    })
    .await;
    satchel.anyone().with(&operator).get("/api/v1/users/u1/inventory").await.expect(200);
    let url = satchel.database.owner.url();
    refused(&mut bare("satchel", &["key", "revoke", prefix], &[("SATCHEL_OWNER_DATABASE_URL", &url)]));
    refused(&mut bare("satchel", &["key", "revoke", "nothing"], &[("SATCHEL_OWNER_DATABASE_URL", &url)]));
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_replay_of_a_time_that_ends_before_it_begins_is_refused() {
    let satchel = Satchel::start().await;
    let url = satchel.database.api.url();
    let backwards = ["functions", "replay", "a-b-c", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"];
    let said = refused(&mut bare("satchel", &backwards, &[("DATABASE_URL", &url)]));
    assert!(said.contains("--from must not be after --to"), "{said}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_edited_or_half_key_is_refused() {
    let satchel = Satchel::start().await;
    let key = satchel.create_api_key("game", "inventory:read");
    let (head, secret) = key.rsplit_once('_').unwrap();
    let mut edited = key.clone();
    let last = if edited.pop() == Some('0') { '1' } else { '0' };
    edited.push(last);
    for wrong in [edited, head.to_owned(), format!("{head}_"), secret.to_owned(), format!("{key}0"), key.to_uppercase()]
    {
        satchel.anyone().with(&wrong).get("/api/v1/catalogue").await.problem(401);
    }
    satchel.anyone().with(&key).get("/api/v1/catalogue").await.expect(200);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_catalogue_is_published_from_a_file() {
    let satchel = Satchel::start().await;
    let file = scratch_dir("catalogue").join("catalogue.json");
    let path = file.to_str().unwrap();
    let mut catalogue = test_catalogue();
    catalogue["items"]["sword"] = json!({"name": "Sword", "grant": "unique"});
    std::fs::write(&file, catalogue.to_string()).unwrap();

    satchel.tool(&["catalogue", "publish", "--dry-run", path]);
    satchel.operator().get("/api/v1/items/sword").await.problem(404);
    satchel.tool(&["catalogue", "publish", path]);
    satchel.operator().get("/api/v1/items/sword").await.expect(200);

    catalogue["items"]["sword"]["grant"] = json!("twice");
    std::fs::write(&file, catalogue.to_string()).unwrap();
    let url = satchel.database.api.url();
    let said = refused(&mut bare("satchel", &["catalogue", "publish", path], &[("DATABASE_URL", &url)]));
    assert!(said.contains("/items/sword/grant"), "{said}");
    std::fs::write(&file, "{").unwrap();
    refused(&mut bare("satchel", &["catalogue", "publish", path], &[("DATABASE_URL", &url)]));
    refused(&mut bare("satchel", &["catalogue", "publish", "/no/such/file"], &[("DATABASE_URL", &url)]));
    assert_eq!(satchel.operator().get("/api/v1/catalogue").await.json()["version"], 2);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_the_number_of_shards_is_fixed() {
    let satchel = Satchel::start().await;
    satchel.tool(&["migrate"]);
    satchel.tool(&["migrate", "--shards", "64"]);
    let owner = satchel.database.owner.url();
    let said = refused(&mut bare("satchel", &["migrate", "--shards", "32"], &[("SATCHEL_OWNER_DATABASE_URL", &owner)]));
    assert!(said.contains("64") && said.contains("32"), "{said}");
    for login in [&satchel.database.api, &satchel.database.worker] {
        let said = refused(&mut bare("satchel", &["migrate"], &[("SATCHEL_OWNER_DATABASE_URL", &login.url())]));
        assert!(said.contains("as the owner of the schema"), "{said}");
    }
    satchel.game().submit(&reward("u1", json!(["key"]))).await.expect(202);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_health_check_succeeds_exactly_when_the_service_is_ready() {
    let satchel = Setup::new().workers(0).start().await;
    let url = format!("http://{}/readyz", satchel.address());
    satchel.tool(&["healthcheck", &url]);
    satchel.kill_api();
    refused(&mut bare("satchel", &["healthcheck", &url], &[]));
}

#[test]
fn programs_that_are_set_up_wrongly_say_all_of_it_at_once() {
    for (program, missing) in [
        ("satchel-api", &["DATABASE_URL", "REDIS_URL", "SATCHEL_ENVELOPE_KEY", "SATCHEL_JWT_SECRET"][..]),
        ("satchel-worker", &["DATABASE_URL", "REDIS_URL", "SATCHEL_ENVELOPE_KEY", "SATCHEL_LEDGER_KEY"]),
    ] {
        let said = refused(&mut bare(program, &[], &[]));
        for name in missing {
            assert!(said.contains(name), "{program} does not name {name}: {said}");
        }
    }
    let said = refused(&mut bare("satchel-worker", &[], &[("SATCHEL_WEBHOOKS", "on")]));
    assert!(said.contains("SATCHEL_SECRETS_KEY"), "{said}");
    let said =
        refused(&mut bare("satchel-api", &[], &[("SATCHEL_ENVELOPE_KEY", "short-secret"), ("SATCHEL_API_ADDR", "x")]));
    assert!(said.contains("SATCHEL_ENVELOPE_KEY") && said.contains("SATCHEL_API_ADDR"), "{said}");
    assert!(!said.contains("short-secret"), "{said}");
}
