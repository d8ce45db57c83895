//! An open loop: requests are sent when they are due, whatever became of those before.
//!
//! Each connection has a schedule and a thread. A request that is due while its connection still waits for the answer
//! before leaves late, but its latency counts from when it was due, so slow answers are never hidden by requests
//! that were not sent. With many connections that is seldom.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::blocking::{Client, described};
use super::closed::Maker;
use super::schedule::Schedule;
use super::tally::Tally;

/// How late a request may leave. What is due beyond that is given up and counted.
const MAX_LATE: Duration = Duration::from_secs(10);
const STACK_BYTES: usize = 256 * 1024;

/// At which rate, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Requests a second of all connections together.
    pub(crate) per_second: u32,
    /// What passes before requests count.
    pub(crate) warm_up: Duration,
    /// How long requests that are due then count.
    pub(crate) window: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome<M> {
    /// The makers, in the order given.
    pub(crate) makers: Vec<M>,
    /// Latencies of what was due in the window.
    pub(crate) tally: Tally,
    /// Requests that were due and never sent, because the answers before took too long.
    pub(crate) unsent: u64,
}

/// Runs a load with one connection per maker, to its end.
pub(crate) fn run<M: Maker>(address: SocketAddr, makers: Vec<M>, plan: Plan) -> Result<Outcome<M>> {
    let connections = u32::try_from(makers.len())?.max(1);
    let per_second = f64::from(plan.per_second) / f64::from(connections);
    let clients: Vec<Client> = makers.iter().map(|_| Client::open(address)).collect::<Result<_, _>>()?;
    let start = Instant::now();
    let mut threads = Vec::new();
    for ((maker, client), seed) in makers.into_iter().zip(clients).zip(0..) {
        let schedule = Schedule::new(seed, per_second, plan.warm_up + plan.window);
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        let work = move || one_connection(client, maker, schedule, start, plan.warm_up);
        threads.push(builder.spawn(work).context("cannot start a thread")?);
    }
    let mut outcome = Outcome { makers: Vec::new(), tally: Tally::new()?, unsent: 0 };
    for thread in threads {
        let (maker, tally, unsent) = thread.join().map_err(|_| anyhow!("the load generator has crashed"))??;
        outcome.makers.push(maker);
        outcome.tally.add(&tally)?;
        outcome.unsent += unsent;
    }
    Ok(outcome)
}

fn one_connection<M: Maker>(
    mut client: Client,
    mut maker: M,
    schedule: Schedule,
    start: Instant,
    warm_up: Duration,
) -> Result<(M, Tally, u64)> {
    let (mut tally, mut unsent) = (Tally::new()?, 0);
    let mut request = Vec::new();
    for due in schedule {
        let due_at = start + due;
        thread::sleep(due_at.saturating_duration_since(Instant::now()));
        if due_at.elapsed() > MAX_LATE || !maker.make(&mut request) {
            unsent += 1;
            continue;
        }
        match client.exchange(&request) {
            Ok(answer) if !maker.answered(answer) => tally.failed(|| described(&answer)),
            Ok(_) if due >= warm_up => tally.answered(due_at.elapsed()),
            Ok(_) => {}
            Err(error) => {
                tally.failed(|| error.to_string());
                break;
            }
        }
    }
    Ok((maker, tally, unsent))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::super::http::Answer;
    use super::*;

    struct Always;

    impl Maker for Always {
        fn make(&mut self, request: &mut Vec<u8>) -> bool {
            request.clear();
            request.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
            true
        }

        fn answered(&mut self, answer: Answer<'_>) -> bool {
            answer.status == 200
        }
    }

    /// A server that answers everything, but the first request only after `stall`.
    fn stalling_server(stall: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut is_first = true;
            while stream.read(&mut [0; 1_024]).unwrap() > 0 {
                if std::mem::take(&mut is_first) {
                    thread::sleep(stall);
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
        address
    }

    #[test]
    fn requests_that_wait_behind_a_slow_answer_count_from_when_they_were_due() {
        let address = stalling_server(Duration::from_millis(500));
        let plan = Plan { per_second: 200, warm_up: Duration::ZERO, window: Duration::from_secs(1) };
        let outcome = run(address, vec![Always], plan).unwrap();
        assert_eq!((outcome.tally.trouble(), outcome.unsent), (None, 0));
        // About half of all were due during the stall: without counting from there it would be one of 200.
        assert!(outcome.tally.percentile_ms(60.0) > 20.0, "{}", outcome.tally.percentile_ms(60.0));
    }
}
