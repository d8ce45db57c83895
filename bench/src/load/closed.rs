//! A closed loop: each connection sends its next request as soon as the last one is answered.
//!
//! All connections are tasks of one thread. The caller's thread meanwhile looks at the processes.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow};
use tokio::task::LocalSet;

use super::blocking::described;
use super::connection::Connection;
use super::http::Answer;
use super::tally::Tally;

/// Makes the requests of one connection and sees their answers.
pub(crate) trait Maker: Send + 'static {
    /// Makes `request` the next request; false if there is none.
    fn make(&mut self, request: &mut Vec<u8>) -> bool;
    /// Looks at the answer to it; false if that is an error.
    fn answered(&mut self, answer: Answer<'_>) -> bool;
}

/// How long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// What passes before answers count.
    pub(crate) warm_up: Duration,
    /// How long they count. Then nothing more is sent.
    pub(crate) window: Duration,
}

impl Plan {
    /// Two seconds of warming up, and so many seconds that count.
    pub(crate) fn seconds(seconds: u64) -> Self {
        Self { warm_up: Duration::from_secs(2), window: Duration::from_secs(seconds) }
    }

    /// Until the makers have no more requests; everything counts.
    pub(crate) fn until_done(patience: Duration) -> Self {
        Self { warm_up: Duration::ZERO, window: patience }
    }
}

/// A load that runs.
#[derive(Debug)]
pub(crate) struct Running<M> {
    thread: JoinHandle<Result<(Vec<M>, Tally)>>,
    opens: Instant,
    closes: Instant,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome<M> {
    /// The makers, in the order given.
    pub(crate) makers: Vec<M>,
    /// The answers in the window, and errors at any time.
    pub(crate) tally: Tally,
}

/// Starts a load with one connection per maker.
pub(crate) fn start<M: Maker>(address: SocketAddr, makers: Vec<M>, plan: Plan) -> Running<M> {
    let opens = Instant::now() + plan.warm_up;
    let closes = opens + plan.window;
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        LocalSet::new().block_on(&runtime, run(address, makers, (opens, closes)))
    });
    Running { thread, opens, closes }
}

impl<M> Running<M> {
    /// Blocks until the window opens, and gives the time.
    pub(crate) fn wait_open(&self) -> SystemTime {
        std::thread::sleep(self.opens.saturating_duration_since(Instant::now()));
        SystemTime::now()
    }

    /// Blocks until the window closes, and gives the time.
    pub(crate) fn wait_closed(&self) -> SystemTime {
        std::thread::sleep(self.closes.saturating_duration_since(Instant::now()));
        SystemTime::now()
    }

    /// Blocks until everything is answered.
    pub(crate) fn finish(self) -> Result<Outcome<M>> {
        let ended = self.thread.join().map_err(|_| anyhow!("the load generator has crashed"))?;
        let (makers, tally) = ended.context("the load generator")?;
        Ok(Outcome { makers, tally })
    }
}

async fn run<M: Maker>(address: SocketAddr, makers: Vec<M>, window: (Instant, Instant)) -> Result<(Vec<M>, Tally)> {
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let mut tasks = Vec::new();
    for maker in makers {
        let connection = Connection::open(address).await.with_context(|| format!("cannot connect to {address}"))?;
        tasks.push(tokio::task::spawn_local(keep_asking(connection, maker, window, Rc::clone(&tally))));
    }
    let mut makers = Vec::new();
    for task in tasks {
        makers.push(task.await?);
    }
    let tally = tally.borrow().clone();
    Ok((makers, tally))
}

async fn keep_asking<M: Maker>(
    mut connection: Connection,
    mut maker: M,
    (opens, closes): (Instant, Instant),
    tally: Rc<RefCell<Tally>>,
) -> M {
    let mut request = Vec::new();
    let mut sent = Instant::now();
    while sent < closes && maker.make(&mut request) {
        let answer = match connection.exchange(&request).await {
            Ok(answer) => answer,
            Err(error) => {
                tally.borrow_mut().failed(|| error.to_string());
                break;
            }
        };
        let now = Instant::now();
        if !maker.answered(answer) {
            tally.borrow_mut().failed(|| described(&answer));
        } else if now >= opens && now < closes {
            tally.borrow_mut().answered(now - sent);
        }
        sent = now;
    }
    maker
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Sends so many requests.
    struct Countdown(u32);

    impl Maker for Countdown {
        fn make(&mut self, request: &mut Vec<u8>) -> bool {
            request.clear();
            request.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
            let more = self.0 > 0;
            self.0 = self.0.saturating_sub(1);
            more
        }

        fn answered(&mut self, answer: Answer<'_>) -> bool {
            answer.status == 200
        }
    }

    /// Answers one connection: each request with the next of these statuses.
    fn server(statuses: &'static [u16]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for status in statuses {
                assert!(stream.read(&mut [0; 1_024]).unwrap() > 0);
                stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok").as_bytes()).unwrap();
            }
        });
        address
    }

    fn outcome(statuses: &'static [u16], requests: u32) -> Tally {
        let plan = Plan::until_done(Duration::from_mins(1));
        start(server(statuses), vec![Countdown(requests)], plan).finish().unwrap().tally
    }

    #[test]
    fn every_request_is_answered_and_counted() {
        let tally = outcome(&[200, 200, 200], 3);
        assert_eq!((tally.answers(), tally.trouble()), (3, None));
    }

    #[test]
    fn an_unexpected_status_is_an_error_and_the_load_goes_on() {
        let tally = outcome(&[200, 503, 200], 3);
        assert_eq!(tally.answers(), 2);
        assert!(tally.trouble().unwrap().contains("answered 503 ok"));
    }

    #[test]
    fn a_closed_connection_is_an_error() {
        let tally = outcome(&[200], 2);
        assert_eq!(tally.answers(), 1);
        assert!(tally.trouble().is_some());
    }
}
