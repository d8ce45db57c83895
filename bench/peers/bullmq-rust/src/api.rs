//! The HTTP API: that of `service/api.mjs`, with axum.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use bullmq::Queue;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::access::{Claims, Tokens};
use crate::job::{Job, is_user_id};
use crate::outcomes::Outcomes;
use crate::postgres::Postgres;
use crate::{queue, settings, told_to_end};

const MAX_WAIT_S: u64 = 30;
const MAX_BODY_BYTES: usize = 64 * 1024;
const PORT: usize = 3_000;
const PG_CONNECTIONS: usize = 8;

struct Service {
    tokens: Tokens,
    queue: Queue,
    outcomes: Outcomes,
    postgres: Postgres,
}

/// An answer, or why there is none.
type Answer = Result<Response, Response>;

pub(crate) async fn serve() -> Result<()> {
    let service = Service {
        tokens: Tokens::from_environment()?,
        queue: queue::open().await?,
        outcomes: Outcomes::default(),
        postgres: Postgres::open(settings::count("PG_POOL", PG_CONNECTIONS)?).await?,
    };
    let routes = Router::new()
        .route("/healthz", get(async || Json(json!({"status": "ok"}))))
        .route("/api/v1/jobs", post(submit))
        .route("/api/v1/users/{user_id}/inventory", get(inventory))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(service));
    let port = u16::try_from(settings::count("PORT", PORT)?)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?.tap_io(|stream| {
        // Where it fails, answers are only slower.
        let _ = stream.set_nodelay(true);
    });
    println!("ready");
    let end = async {
        let _ = told_to_end().await;
    };
    Ok(axum::serve(listener, routes).with_graceful_shutdown(end).await?)
}

async fn submit(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    job: Result<Json<Job>, JsonRejection>,
) -> Answer {
    let caller = service.caller(&headers).ok_or_else(no_good_token)?;
    let Json(job) = job.map_err(|rejection| refuse(StatusCode::BAD_REQUEST, &rejection.body_text()))?;
    if !job.is_valid() {
        return Err(refuse(StatusCode::BAD_REQUEST, "a field is out of its bounds"));
    }
    if !caller.may_submit(&job) {
        return Err(refuse(StatusCode::FORBIDDEN, "the token does not allow this job"));
    }
    let job_id = Uuid::now_v7().to_string();
    let wait_s = wait_s(&headers);
    if wait_s == 0 {
        service.add(&job_id, &job).await?;
    } else {
        let outcome = service.outcomes.expect(&job_id).await.map_err(|error| failed(&error))?;
        service.add(&job_id, &job).await?;
        if let Some(outcome) = service.outcomes.wait(&job_id, outcome, Duration::from_secs(wait_s)).await {
            return told(&job_id, &job, &outcome, wait_s).map_err(|error| failed(&error));
        }
    }
    let location = [(header::LOCATION, format!("/api/v1/jobs/{job_id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(json!({"jobId": job_id, "status": "queued"}))).into_response())
}

async fn inventory(State(service): State<Arc<Service>>, headers: HeaderMap, Path(user_id): Path<String>) -> Answer {
    let caller = service.caller(&headers).ok_or_else(no_good_token)?;
    if !is_user_id(&user_id) {
        return Err(refuse(StatusCode::BAD_REQUEST, "no user id"));
    }
    if !caller.may_read(&user_id) {
        return Err(refuse(StatusCode::FORBIDDEN, "the token does not allow this user"));
    }
    let items = service.postgres.inventory(&user_id).await.map_err(|error| failed(&error))?;
    let items: Vec<Value> =
        items.into_iter().map(|(item_id, quantity)| json!({"itemId": item_id, "quantity": quantity})).collect();
    Ok(Json(json!({"userId": user_id, "items": items})).into_response())
}

impl Service {
    fn caller(&self, headers: &HeaderMap) -> Option<Arc<Claims>> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        self.tokens.verify(token)
    }

    async fn add(&self, job_id: &str, job: &Job) -> Result<(), Response> {
        let added = self.queue.add(job.type_name(), job).job_id(job_id).await;
        added.map(drop).map_err(|error| failed(&error.into()))
    }
}

/// The outcome of a job that was waited for.
fn told(job_id: &str, job: &Job, outcome: &str, wait_s: u64) -> Result<Response> {
    let mut answer: serde_json::Map<String, Value> = serde_json::from_str(outcome)?;
    for (name, value) in [("jobId", job_id), ("type", job.type_name()), ("userId", job.user_id())] {
        answer.insert(name.to_owned(), value.into());
    }
    let applied = [("preference-applied", format!("wait={wait_s}")), ("location", format!("/api/v1/jobs/{job_id}"))];
    Ok((applied, Json(answer)).into_response())
}

/// The `wait` of the header `Prefer`, in seconds.
fn wait_s(headers: &HeaderMap) -> u64 {
    let prefer = headers.get("prefer").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wait = prefer.split(',').find_map(|preference| preference.trim().strip_prefix("wait="));
    wait.and_then(|seconds| seconds.parse().ok()).unwrap_or(0).min(MAX_WAIT_S)
}

fn no_good_token() -> Response {
    refuse(StatusCode::UNAUTHORIZED, "no good token")
}

fn refuse(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({"status": status.as_u16(), "detail": detail}))).into_response()
}

fn failed(error: &anyhow::Error) -> Response {
    eprintln!("api: {error:#}");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "it failed")
}
