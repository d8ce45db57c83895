//! One caller of the HTTP API: a base address and a credential.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::Journal;
use crate::journal::Asked;

/// Beyond this an answer counts as missing, in milliseconds: far above every deadline of the API.
const REQUEST_TIMEOUT_MS: u64 = 60_000;

/// An idle connection is not used again after so long: the API closes those that are idle for a minute.
const IDLE: Duration = Duration::from_secs(20);

const JOBS: &str = "/api/v1/jobs";
const EVENTS: &str = "/api/v1/events";

/// Sends requests as one actor. Clones share the connections.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    base: String,
    credential: Option<String>,
    journal: Journal,
}

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Caller {
    /// A caller of the API at `base` without credential.
    pub(crate) fn new(base: String, journal: Journal) -> Self {
        // The client asks for one, whether or not it ever needs it; another caller may have set it.
        drop(rustls::crypto::ring::default_provider().install_default());
        let timeout = Duration::from_millis(REQUEST_TIMEOUT_MS);
        let client = Client::builder().timeout(timeout).pool_idle_timeout(IDLE).no_proxy().build();
        let client = client.expect("an HTTP client");
        Self { client, base, credential: None, journal }
    }

    /// The same with a bearer token or an API key.
    pub fn with(&self, credential: &str) -> Self {
        Self { credential: Some(credential.to_owned()), ..self.clone() }
    }

    /// The same without credential.
    pub fn anonymous(&self) -> Self {
        Self { credential: None, ..self.clone() }
    }

    /// The same, whose jobs the invariants do not ask for: they are to be lost.
    pub fn unlucky(&self) -> Self {
        Self { journal: Journal::default(), ..self.clone() }
    }

    /// A request with the credential, to be completed; `path` starts with `/`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.credential {
            Some(credential) => request.bearer_auth(credential),
            None => request,
        }
    }

    /// Sends a request; `None` if the connection broke or never came about.
    pub async fn try_send(&self, request: RequestBuilder) -> Option<Answer> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.ok()?;
        Some(Answer { status, headers, text })
    }

    /// Sends a request; fails the test without an answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the API answers")
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST of a JSON text, which need not be valid.
    pub async fn post_text(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.request(Method::POST, path).header("Content-Type", "application/json");
        self.send(request.body(body.into())).await
    }

    /// POST of one job or an array of jobs; what is accepted goes to the journal.
    pub async fn submit(&self, body: &Value) -> Answer {
        self.submit_with(body, &[]).await
    }

    /// As [`Caller::submit`], under an `Idempotency-Key`.
    pub async fn submit_under(&self, key: &str, body: &Value) -> Answer {
        self.submit_with(body, &[("Idempotency-Key", key)]).await
    }

    /// As [`Caller::submit`], waiting for the outcome.
    pub async fn submit_and_wait(&self, body: &Value) -> Answer {
        self.submit_with(body, &[("Prefer", "wait=30")]).await
    }

    /// As [`Caller::submit`], with more header fields.
    pub async fn submit_with(&self, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.try_submit(self.journal.ask(), JOBS, body, headers).await.expect("the API answers")
    }

    /// POST of one event or an array of events; what is accepted goes to the journal, by its job.
    pub async fn tell(&self, body: &Value) -> Answer {
        self.try_submit(self.journal.ask(), EVENTS, body, &[]).await.expect("the API answers")
    }

    /// As [`Caller::tell`], waiting for what comes of it.
    pub async fn tell_and_wait(&self, body: &Value) -> Answer {
        let prefer = [("Prefer", "wait=30")];
        self.try_submit(self.journal.ask(), EVENTS, body, &prefer).await.expect("the API answers")
    }

    /// Submits under `key` again and again until it is accepted: what docs/FAULTS.md asks of a client.
    pub async fn submit_until_accepted(&self, key: &str, body: &Value) -> Answer {
        let asked = self.journal.ask();
        crate::wait::until("the job is accepted at last", || async {
            let answer = self.try_submit(asked, JOBS, body, &[("Idempotency-Key", key)]).await;
            answer.filter(|answer| {
                let passing = matches!(answer.status, 200 | 202 | 503);
                assert!(passing, "neither accepted nor 503: {} {}", answer.status, answer.text);
                answer.status != 503
            })
        })
        .await
    }

    async fn try_submit(&self, asked: Asked, path: &str, body: &Value, headers: &[(&str, &str)]) -> Option<Answer> {
        let mut request = self.request(Method::POST, path).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.try_send(request).await?;
        if matches!(answer.status, 200 | 202) {
            self.journal.note(asked, body, &answer.json());
        }
        Some(answer)
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// A header field's text, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of text"))
    }

    /// This answer, if it has the status; fails the test otherwise.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(self.status == status, "expected {status}, got {} with {}", self.status, self.text);
        self
    }

    /// The body, an RFC 9457 problem with this status; fails the test if it is anything else.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert!(self.status == status, "expected {status}, got {} with {}", self.status, self.text);
        assert!(
            self.header("Content-Type").starts_with("application/problem+json"),
            "content type {:?} of {}",
            self.header("Content-Type"),
            self.text
        );
        assert!(!self.header("X-Request-Id").is_empty(), "no X-Request-Id");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title"] {
            assert!(problem[member].is_string(), "no {member} in {problem}");
        }
        problem
    }

    /// The pointers of a problem's `errors`, sorted.
    #[track_caller]
    pub fn pointers(&self) -> Vec<String> {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
        let mut pointers: Vec<String> = errors
            .iter()
            .map(|error| {
                assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{error}");
                error["pointer"].as_str().expect("a pointer").to_owned()
            })
            .collect();
        pointers.sort();
        pointers
    }

    /// The `jobId` of the body.
    #[track_caller]
    pub fn job_id(&self) -> String {
        self.json()["jobId"].as_str().unwrap_or_else(|| panic!("no jobId in {}", self.text)).to_owned()
    }

    /// The `jobId`s of an answer to an array of which every job was accepted.
    #[track_caller]
    pub fn job_ids(&self) -> Vec<String> {
        let answer = self.json();
        let jobs = answer["jobs"].as_array().unwrap_or_else(|| panic!("no jobs in {}", self.text));
        let id = |job: &Value| job["jobId"].as_str().unwrap_or_else(|| panic!("not accepted: {job}")).to_owned();
        jobs.iter().map(id).collect()
    }
}
