//! Where functions' calls arrive: a small HTTP server of the test's own, which remembers what was sent and answers as
//! it is told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::receiver;

/// See the module. It ends when it is dropped.
pub struct Inbox {
    address: String,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

/// A call that arrived.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its path, without the slash.
    pub what: String,
    /// Its `Idempotency-Key`.
    pub key: String,
    /// The event in it.
    pub event: Value,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    /// Statuses of the next answers to a path; 200 when they have run out.
    statuses: HashMap<String, VecDeque<u16>>,
    /// How long an answer takes.
    delay: Duration,
    /// Calls under way, by user, and the most there were at once: of one user, and of all.
    under_way: HashMap<String, usize>,
    most_of_one: usize,
    most: usize,
}

impl Inbox {
    /// Listens on a port of its own.
    pub async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, _serving: serving }
    }

    /// `http://host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next calls of `what` are answered by these statuses, those after them by 200.
    pub fn answer(&self, what: &str, statuses: &[u16]) {
        self.state.lock().unwrap().statuses.entry(what.to_owned()).or_default().extend(statuses);
    }

    /// From now on answers take so long.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// What has arrived so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    /// What has arrived of `what`.
    pub fn of(&self, what: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.what == what);
        calls
    }

    /// The most calls that were under way at once: about one user, and about all.
    pub fn most_at_once(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.most_of_one, state.most)
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move { talk(stream, &state).await });
    }
}

/// Answers requests until the connection ends.
async fn talk(stream: TcpStream, state: &Mutex<State>) {
    let mut stream = BufReader::new(stream);
    // A worker that is killed leaves half a request.
    while let Some(request) = receiver::read(&mut stream).await {
        let what = request.path.trim_start_matches('/').to_owned();
        let key = request.headers.iter().find(|(name, _)| name == "idempotency-key");
        let key = key.map(|(_, value)| value.clone()).unwrap_or_default();
        let status = take(Call { what, key, event: request.event() }, state).await;
        let answer =
            format!("HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn take(call: Call, state: &Mutex<State>) -> u16 {
    let user = call.event["userId"].as_str().unwrap_or_default().to_owned();
    let (status, delay) = {
        let mut state = state.lock().unwrap();
        let status = state.statuses.get_mut(&call.what).and_then(VecDeque::pop_front).unwrap_or(200);
        state.calls.push(call);
        let of_user = state.under_way.entry(user.clone()).or_default();
        *of_user += 1;
        let (of_user, all) = (*of_user, state.under_way.values().sum());
        state.most_of_one = state.most_of_one.max(of_user);
        state.most = state.most.max(all);
        (status, state.delay)
    };
    tokio::time::sleep(delay).await;
    *state.lock().unwrap().under_way.get_mut(&user).expect("it was counted") -= 1;
    status
}
