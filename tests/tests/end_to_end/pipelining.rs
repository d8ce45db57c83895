//! What is sent behind a request whose answer closes the connection (RFC 9112 section 9.6).

use satchel_testkit::Satchel;
use satchel_testkit::job::reward_pieces;
use satchel_testkit::raw_http::exchange;
use satchel_tests::invariants;

/// A job for a user as a client writes it to the connection, behind so much white space.
fn post(satchel: &Satchel, user_id: &str, more: &str, spaces: usize) -> String {
    let job = format!("{}{}", " ".repeat(spaces), reward_pieces(user_id, "gold", 1));
    format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: satchel\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nContent-Length: {}\r\n{more}\r\n{job}",
        satchel.game_token(),
        job.len()
    )
}

#[tokio::test]
async fn what_comes_behind_an_answer_that_closes_the_connection_has_no_effect() {
    let satchel = Satchel::start().await;
    let second = post(&satchel, "second", "", 0);
    for (first, status) in [
        (post(&satchel, "first", "Connection: close\r\n", 0), "HTTP/1.1 202"),
        // Closed by the service: it is too large to be worth reading.
        (post(&satchel, "too-large", "", 70_000), "HTTP/1.1 413"),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), "HTTP/1.0 200"),
    ] {
        let replies = exchange(satchel.address(), format!("{first}{second}{second}").as_bytes()).await;
        let replies = String::from_utf8(replies).unwrap();
        assert!(replies.starts_with(status), "{replies}");
        assert_eq!(replies.matches("HTTP/1.").count(), 1, "{replies}");
    }
    // Behind an answer that keeps it open, it has.
    let last = post(&satchel, "third", "Connection: close\r\n", 0);
    let replies = exchange(satchel.address(), format!("{}{last}", post(&satchel, "third", "", 0)).as_bytes()).await;
    assert_eq!(String::from_utf8(replies).unwrap().matches("HTTP/1.1 202").count(), 2);

    satchel.game().submit_and_wait(&reward_pieces("second", "gold", 5)).await.expect(200);
    assert_eq!(satchel.holdings("second").await, [("gold".to_owned(), 5)]);
    satchel_testkit::wait::until_true("the others are applied", || {
        satchel.database.owner.number("SELECT count(*) FROM jobs") == 4
    })
    .await;
    invariants::check(&satchel).await;
}
