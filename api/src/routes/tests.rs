//! The table is whole, and HTTP.md lists it.

use std::collections::BTreeSet;

use actix_web::App;
use actix_web::dev::ResourceDef;
use actix_web::test::{TestRequest, call_service, init_service};

use super::*;
use crate::http::answer::Done;
use crate::http::extract::{Extract, Parts};
use crate::routes::route::handle;

fn all() -> impl Iterator<Item = &'static Route> {
    TABLE.iter().chain(OPERATIONS).copied()
}

fn who(access: Access) -> &'static str {
    match access {
        Access::Anyone => "anyone",
        Access::SignedIn => "whoever has a good credential",
        Access::JobSubmitters => "players, services",
        Access::EventSenders => "services with `events:write`",
        Access::JobReaders => "players for their own, services with a scope, operators",
        Access::UserReaders => "players for themselves, services with `inventory:read`, operators",
        Access::Operators(_) => "operators",
    }
}

/// A route as HTTP.md lists it.
fn row(route: &Route) -> String {
    let query = route.takes().query.unwrap_or_default().join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    format!("| `{} {}{mark}{query}` | {} |", route.method.as_str(), route.path, who(route.access))
}

#[test]
fn http_md_lists_each_route() {
    let page = include_str!("../../../docs/HTTP.md");
    let listed: Vec<&str> = page.lines().filter(|line| line.starts_with("| `") && line.contains(" /")).collect();
    let rows: Vec<String> = all().map(row).collect();
    assert_eq!(listed, rows, "the list should be\n{}", rows.join("\n"));
}

#[test]
fn no_pattern_stands_before_a_path_that_it_hides() {
    let patterns: Vec<&str> = TABLE.chunk_by(|route, next| route.path == next.path).map(|of| of[0].path).collect();
    assert_eq!(patterns.iter().collect::<BTreeSet<_>>().len(), patterns.len(), "a path's methods stand together");
    for (index, path) in patterns.iter().enumerate() {
        let first = patterns.iter().position(|pattern| ResourceDef::new(*pattern).is_match(path));
        assert_eq!(first, Some(index), "{path}");
    }
}

#[test]
fn each_route_has_a_name_of_its_own_and_takes_the_ids_of_its_path() {
    let names: BTreeSet<&str> = all().map(|route| route.operation).collect();
    assert_eq!(names.len(), all().count());
    for route in all() {
        let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let taken = route.takes().path;
        assert_eq!(in_path.collect::<BTreeSet<_>>(), taken.into_iter().collect(), "{}", route.operation);
    }
}

#[test]
fn a_route_knows_what_it_may_refuse_and_answers() {
    let refusals: Vec<u16> = functions::cancel::CANCEL.refusals().into_iter().collect();
    assert_eq!(refusals, [400, 401, 403, 404, 408, 413, 415, 422, 429, 503]);
    assert_eq!(health::live::LIVE.refusals(), BTreeSet::new());
    let answers = functions::replay::REPLAY.answers();
    let schema = answers.body.and_then(|body| body.schema).unwrap();
    let schema = schema(&mut schemars::SchemaGenerator::default());
    assert_eq!(answers.status, 202);
    assert_eq!(schema.as_value()["properties"]["events"]["type"], "integer");
}

#[actix_web::test]
async fn a_method_that_a_path_has_not_is_answered_with_those_that_it_has() {
    let app = init_service(App::new().configure(|app| register(app, TABLE))).await;
    for (path, allow) in [
        ("/api/v1/jobs/x", "GET, HEAD, DELETE"),
        ("/api/v1/queues/failed/retry", "POST"),
        ("/api/v1/webhooks/x", "GET, HEAD, PATCH, DELETE"),
        ("/healthz", "GET, HEAD"),
    ] {
        let answer = call_service(&app, TestRequest::with_uri(path).method("PURGE".parse().unwrap()).to_request());
        let answer = answer.await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers().get("allow").unwrap().to_str().unwrap()),
            (405, allow),
            "{path}"
        );
    }
    let head = TestRequest::with_uri("/healthz").method(actix_web::http::Method::HEAD).to_request();
    assert_eq!(call_service(&app, head).await.status(), 200);
}

/// A part that is looked up, in vain.
struct Slow;

impl Extract for Slow {
    async fn extract(_: &mut Parts) -> Result<Self, ApiError> {
        tokio::task::yield_now().await;
        Err(ApiError::NotFound)
    }
}

/// A part that is refused at once.
struct Quick;

impl Extract for Quick {
    async fn extract(_: &mut Parts) -> Result<Self, ApiError> {
        Err(ApiError::Busy)
    }
}

static SLOW: Route = Route {
    method: Method::Get,
    path: "/slow",
    operation: "slow",
    access: Access::Anyone,
    errors: &[],
    handler: || handle(slow),
};

fn slow(_: Slow, _: Quick) -> Ready<Result<Done, ApiError>> {
    panic!("it was called")
}

#[actix_web::test]
async fn the_first_part_that_cannot_be_had_is_the_answer_however_long_it_takes() {
    let app = init_service(App::new().configure(|app| register(app, &[&SLOW]))).await;
    assert_eq!(call_service(&app, TestRequest::with_uri("/slow").to_request()).await.status(), 404);
}
