//! Requests that are out of shape as HTTP.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use reqwest::Method;
use satchel_testkit::job::{reward, reward_pieces};
use satchel_testkit::raw_http::{Reply, send};
use satchel_testkit::{Caller, Satchel};
use satchel_tests::invariants;
use serde_json::json;

#[tokio::test]
async fn a_body_too_large_is_refused() {
    let satchel = Satchel::start().await;
    let spaces = |bytes: usize, job: &str| format!("{}{job}", " ".repeat(bytes));
    let job = reward("u1", json!(["key"])).to_string();

    satchel.game().post_text("/api/v1/jobs", spaces(65 * 1024, &job)).await.problem(413);
    satchel.game().post_text("/api/v1/jobs", spaces(1024 * 1024, &format!("[{job}]"))).await.problem(413);
    satchel.game().post_text("/api/v1/jobs", spaces(20 * 1024 * 1024, &job)).await.problem(413);
    // An array may be longer than a single job may.
    let array = json!(vec![reward_pieces("u1", "gold", 1); 900]);
    assert!(array.to_string().len() > 64 * 1024);
    satchel.game().submit(&array).await.expect(202);
    invariants::check(&satchel).await;
}

/// `text` as `gzip` compresses it.
fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    let mut input = gzip.stdin.take().unwrap();
    let text = text.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&text));
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.stdout
}

async fn post_gzipped(caller: &Caller, text: &[u8]) -> satchel_testkit::Answer {
    let request = caller.request(Method::POST, "/api/v1/jobs");
    let request = request.header("Content-Type", "application/json").header("Content-Encoding", "gzip");
    caller.send(request.body(gzipped(text))).await
}

#[tokio::test]
async fn a_gzip_body_of_several_members_is_read_whole() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let job = reward("u1", json!(["key"])).to_string();
    let (first, second) = job.as_bytes().split_at(20);
    let post = async |members: &[Vec<u8>]| {
        let request = game.request(Method::POST, "/api/v1/jobs").header("Content-Type", "application/json");
        game.send(request.header("Content-Encoding", "gzip").body(members.concat())).await
    };
    post(&[gzipped(first), gzipped(second)]).await.expect(202);
    post(&[gzipped(first)]).await.problem(400);
    post(&[gzipped(first), second.to_vec()]).await.problem(400);
    post(&[gzipped(&vec![b' '; 40 * 1024]), gzipped(&vec![b' '; 40 * 1024]), gzipped(job.as_bytes())])
        .await
        .problem(413);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_gzip_bomb_is_refused() {
    let satchel = Satchel::start().await;
    let mut bomb = vec![b' '; 50 * 1024 * 1024];
    bomb.extend(reward("u1", json!(["key"])).to_string().into_bytes());
    post_gzipped(&satchel.game(), &bomb).await.problem(413);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let job = reward("u1", json!(["key"])).to_string();
    let post = |content_type: Option<&'static str>| {
        let request = game.request(Method::POST, "/api/v1/jobs").body(job.clone());
        match content_type {
            Some(content_type) => request.header("Content-Type", content_type),
            None => request,
        }
    };
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/xml")] {
        game.send(post(content_type)).await.problem(415);
    }
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        game.send(post(Some(content_type))).await.expect(202);
    }
    let request = post(Some("application/json")).header("Content-Encoding", "zstd");
    game.send(request).await.problem(415);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn another_method_is_refused_and_told_which_are_allowed() {
    let satchel = Satchel::start().await;
    let operator = satchel.operator();
    for (method, path, allowed) in [
        (Method::GET, "/api/v1/jobs", "POST"),
        (Method::DELETE, "/api/v1/jobs", "POST"),
        (Method::POST, "/api/v1/jobs/00000000-0000-7000-8000-000000000000", "GET"),
        (Method::POST, "/api/v1/users/u1/inventory", "GET"),
        (Method::PATCH, "/api/v1/users/u1/history", "GET"),
        (Method::POST, "/api/v1/catalogue", "PUT"),
        (Method::DELETE, "/api/v1/items/gold", "GET"),
        (Method::POST, "/healthz", "GET"),
        (Method::DELETE, "/readyz", "GET"),
    ] {
        let answer = operator.send(operator.request(method.clone(), path)).await;
        assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
        answer.problem(405);
        assert!(answer.header("Allow").split(", ").any(|name| name == allowed), "{method} {path}: {answer:?}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_dot_segment_is_no_id() {
    let satchel = Satchel::start().await;
    let token = satchel_testkit::token::token("operator", "ops", "");
    // Usual clients would take the dots out.
    for (path, status) in [
        ("/api/v1/users/../inventory", 422),
        ("/api/v1/users/%2e/inventory", 422),
        ("/api/v1/users/%2E%2E/history", 422),
        ("/api/v1/items/..", 404),
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: satchel\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(send(satchel.address(), request.as_bytes()).await, Reply::Status(status), "{path}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let satchel = Satchel::start().await;
    for path in ["/", "/api/v1", "/api/v1/nothing", "/api/v2/jobs", "/api/v1/jobs/", "/..%2f..%2fetc/passwd"] {
        let answer = satchel.operator().get(path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        answer.problem(404);
    }
    invariants::check(&satchel).await;
}

/// A POST of a job with these header lines instead of a client's own.
fn post(satchel: &Satchel, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: satchel\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nConnection: close\r\n",
        satchel.game_token()
    );
    for header in headers {
        write!(text, "{header}\r\n").unwrap();
    }
    write!(text, "\r\n{body}").unwrap();
    text.into_bytes()
}

#[tokio::test]
async fn a_request_that_two_servers_could_read_differently_is_refused() {
    let satchel = Satchel::start().await;
    let job = reward("u1", json!(["key"])).to_string();
    let length = format!("Content-Length: {}", job.len());
    let chunked = format!("{:x}\r\n{job}\r\n0\r\n\r\n", job.len());
    let requests = [
        post(&satchel, &[&length, "Transfer-Encoding: chunked"], &chunked),
        post(&satchel, &["Transfer-Encoding: chunked", &length], &chunked),
        post(&satchel, &["Content-Length: 3", &length], &job),
        post(&satchel, &["Content-Length: +5"], &job),
        post(&satchel, &["Transfer-Encoding: xchunked"], &chunked),
    ];
    for request in requests {
        let reply = send(satchel.address(), &request).await;
        assert_eq!(reply, Reply::Status(400), "{}", String::from_utf8_lossy(&request));
    }
    assert_eq!(send(satchel.address(), &post(&satchel, &[&length], &job)).await, Reply::Status(202));
    let accepted = "SELECT count(*) FROM jobs";
    satchel_testkit::wait::until_true("the one job is applied", || satchel.database.owner.number(accepted) == 1).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn garbage_instead_of_http_is_refused() {
    let satchel = Satchel::start().await;
    let long_header = format!("GET /healthz HTTP/1.1\r\nHost: s\r\nX-Long: {}\r\n\r\n", "x".repeat(1024 * 1024));
    for request in [b"\x16\x03\x01\x02\x00garbage\r\n\r\n".to_vec(), long_header.into_bytes()] {
        match send(satchel.address(), &request).await {
            Reply::Closed => (),
            Reply::Status(status) => assert!((400..500).contains(&status), "{status}"),
        }
    }
    satchel.anyone().get("/healthz").await.expect(200);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_is_timed_out() {
    let satchel = Satchel::start().await;
    let half_a_head = b"POST /api/v1/jobs HTTP/1.1\r\nHost: sat".to_vec();
    let half_a_body = post(&satchel, &["Content-Length: 100"], "{\"type\":");
    let (head, body) = tokio::join!(send(satchel.address(), &half_a_head), send(satchel.address(), &half_a_body));
    for reply in [head, body] {
        assert!(matches!(reply, Reply::Closed | Reply::Status(408)), "{reply:?}");
    }
    satchel.anyone().get("/healthz").await.expect(200);
    invariants::check(&satchel).await;
}
