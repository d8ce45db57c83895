//! Clients that send slowly, take nothing, or come with too many connections, and what that costs the others.

use std::net::SocketAddr;
use std::sync::Mutex;

use reqwest::Method;
use satchel_testkit::job::{reward_pieces, test_catalogue, use_item};
use satchel_testkit::token::token;
use satchel_testkit::{Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An array of uses, nearly as long as a player's may be.
fn long_array() -> String {
    let job = json!({"type": "use_item", "userId": "u1", "itemId": "arrow", "reason": "r".repeat(200)}).to_string();
    let jobs = vec![job; 99].join(",");
    format!("[{jobs}{}]", " ".repeat(125_000 - jobs.len()))
}

/// A request with this body that ends before the body does.
async fn stall(satchel: &Satchel, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(satchel.address()).await.expect("the API listens");
    let head = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        token("player", "u1", ""),
        body.len()
    );
    let sent = format!("{head}{}", &body[..body.len() - 1]);
    // One that is refused may be closed before it is sent.
    let _ = stream.write_all(sent.as_bytes()).await;
    stream
}

#[tokio::test]
async fn bodies_that_do_not_end_keep_out_no_more_than_other_long_ones_of_players() {
    let satchel = Setup::new().api_env("SATCHEL_BODY_BYTES", "4194304").start().await;
    let (player, body) = (satchel.player("u1"), long_array());
    let stalled = Mutex::new(Vec::new());
    let refused = wait::until("no memory is left for another long body", || async {
        // More each time: of many that come at once some are refused when they grow, and what they had is free again.
        for _ in 0..10 {
            let stream = stall(&satchel, &body).await;
            stalled.lock().unwrap().push(stream);
        }
        let answer = player.post_text("/api/v1/jobs", body.clone()).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    refused.problem(503);
    assert_eq!(refused.header("Retry-After"), "1");
    player.submit(&use_item("u1", "arrow", 1)).await.expect(202);
    let rewards: Vec<Value> = (0..900)
        .map(|_| {
            let mut reward = reward_pieces("u2", "arrow", 1);
            reward["reason"] = json!("r".repeat(200));
            reward
        })
        .collect();
    satchel.game().submit(&json!(rewards)).await.expect(202);
    drop(stalled);
    wait::until("what was taken is given back", || async {
        (player.post_text("/api/v1/jobs", body.clone()).await.status == 202).then_some(())
    })
    .await;
}

/// A connection from another address of this machine.
#[cfg(target_os = "linux")]
async fn from(address: &str, satchel: &Satchel) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).expect("an address of this machine");
    socket.connect(satchel.address().parse().unwrap()).await.expect("the API listens")
}

/// Whether the API answers on this connection.
#[cfg(target_os = "linux")]
async fn is_answered(stream: &mut TcpStream) -> bool {
    if stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.is_err() {
        return false;
    }
    stream.read(&mut [0; 1_024]).await.is_ok_and(|bytes| bytes > 0)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let setup = Setup::new().workers(0).api_env("SATCHEL_CONNECTIONS_PER_ADDRESS", "30");
    let satchel = setup.api_env("SATCHEL_TRUSTED_PROXIES", "127.0.0.3").start().await;
    let mut open = Vec::new();
    for _ in 0..30 {
        let mut stream = from("127.0.0.2", &satchel).await;
        assert!(is_answered(&mut stream).await);
        open.push(stream);
    }
    assert!(!is_answered(&mut from("127.0.0.2", &satchel).await).await, "one too many");
    satchel.anyone().get("/healthz").await.expect(200);
    open.pop();
    let again = wait::until("there is room again", || async {
        let mut stream = from("127.0.0.2", &satchel).await;
        is_answered(&mut stream).await.then_some(stream)
    })
    .await;
    let mut proxied = Vec::new();
    for _ in 0..40 {
        let mut stream = from("127.0.0.3", &satchel).await;
        assert!(is_answered(&mut stream).await, "a trusted proxy has as many as it likes");
        proxied.push(stream);
    }
    let metrics = satchel.anyone().get("/metrics").await.expect(200).text;
    assert!(metrics.contains("satchel_api_connections_refused_total "), "{metrics}");
    drop((open, again, proxied));
}

/// Whether the API's end of a connection is still there.
#[cfg(target_os = "linux")]
fn is_there(stream: &TcpStream) -> bool {
    let (here, there) = (stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port());
    let connections = std::fs::read_to_string("/proc/net/tcp").expect("the system's connections");
    let ends = format!(":{there:04X} 0100007F:{here:04X} ");
    connections.contains(&ends)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_takes_nothing_of_a_long_answer_is_left() {
    let satchel = Setup::new().workers(0).api_env("SATCHEL_ANSWER_STALL_MS", "1000").start().await;
    let mut catalogue = test_catalogue();
    for number in 0..1_900 {
        catalogue["items"][format!("item_{number}")] = json!({"name": "\u{1F4E6}".repeat(100), "grant": "unique"});
    }
    let operator = satchel.operator();
    let published = operator.request(Method::PUT, "/api/v1/catalogue").json(&catalogue);
    operator.send(published).await.expect(200);
    let length = operator.get("/api/v1/catalogue").await.expect(200).text.len();
    assert!(length > 800_000, "{length}");

    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let mut stream = socket.connect(satchel.address().parse().unwrap()).await.expect("the API listens");
    let request = format!(
        "GET /api/v1/catalogue HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        token("player", "u1", "")
    );
    stream.write_all(request.as_bytes()).await.expect("the API reads");
    assert!(is_there(&stream));
    wait::until_true("the API has left it", || !is_there(&stream)).await;
    let mut taken = Vec::new();
    let _ = stream.read_to_end(&mut taken).await;
    assert!(taken.starts_with(b"HTTP/1.1 200") && taken.len() < length, "{} bytes", taken.len());
    invariants::check(&satchel).await;
}
