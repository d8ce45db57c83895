//! `history`: pages of the history of a user with 100,000 ledger entries, all of them made by jobs. Closed loop.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::query::per_second;
use super::verdict;
use crate::bench::Bench;
use crate::load::closed::{self, Maker, Plan};
use crate::load::get::GetMaker;
use crate::load::http::{self, Answer};
use crate::load::job::USERS;
use crate::load::tally::Tally;
use crate::stand::applied;
use crate::stand::contender::{Contender, Kind};
use crate::stand::servers::Servers;

const SCENARIO: &str = "history";
/// Everything is for one user, the one that skewed loads are for.
const ALL_FOR_ONE_PERCENT: u8 = 100;
const PATH: &str = "/api/v1/users/u0/history";

/// How much, how long, and by how many.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Ledger entries of the user.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) entries: usize,
    /// Entries of a page.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) page: u16,
    /// For how long pages count, in seconds, newest first and again through the cursor.
    #[arg(long, value_name = "S", default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Connections that read at once.
    #[arg(long, value_name = "C", default_value_t = 32)]
    pub(crate) connections: usize,
}

/// Measures Satchel; the peers have no history to ask for.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let mut satchel = Kind::Satchel.start(Servers::start(bench.dir())?)?;
    let accepted = satchel.fill(options.entries, ALL_FOR_ONE_PERCENT)?;
    satchel.start_workers(satchel.best_workers())?;
    applied::wait(&*satchel, usize::try_from(USERS)? + accepted.len())?;

    let token = satchel.token("operator", "bench")?;
    let path = format!("{PATH}?limit={}", options.page);
    let newest = Arc::new(vec![http::get(satchel.address(), &path, &token)]);
    let makers = (0..options.connections).map(|_| GetMaker::new(Arc::clone(&newest), 0)).collect();
    let tally = measure(&*satchel, makers, options)?;
    report(bench, "newest page", &tally, options);

    let makers = (0..options.connections).map(|_| PageMaker::new(satchel.address(), &path, &token)).collect();
    let tally = measure(&*satchel, makers, options)?;
    report(bench, "page after page", &tally, options);

    satchel.check_runs()?;
    verdict::report(&mut bench.report, SCENARIO, &*satchel, &accepted, accepted.len())?;
    bench.report.print_table();
    Ok(())
}

fn measure<M: Maker>(satchel: &dyn Contender, makers: Vec<M>, options: &Options) -> Result<Tally> {
    Ok(closed::start(satchel.address(), makers, Plan::seconds(options.seconds)).finish()?.tally)
}

fn report(bench: &mut Bench, what: &str, tally: &Tally, options: &Options) {
    let name = Kind::Satchel.name();
    if let Some(trouble) = tally.trouble() {
        bench.report.fault(SCENARIO, name, &format!("{what}: {trouble}"));
    }
    bench.report.figure(SCENARIO, name, what, per_second(tally, options.seconds), "pages/s");
    for (metric, percent) in [("p50", 50.0), ("p99", 99.0)] {
        bench.report.figure(SCENARIO, name, &format!("{what}, {metric}"), tally.percentile_ms(percent), "ms");
    }
}

/// Follows the cursor from the newest page to the oldest, and begins again.
#[derive(Debug)]
struct PageMaker {
    address: SocketAddr,
    path: String,
    token: String,
    cursor: Option<String>,
}

impl PageMaker {
    /// `path` is that of the first page, with a query.
    fn new(address: SocketAddr, path: &str, token: &str) -> Self {
        Self { address, path: path.to_owned(), token: token.to_owned(), cursor: None }
    }
}

impl Maker for PageMaker {
    fn make(&mut self, request: &mut Vec<u8>) -> bool {
        let path = match &self.cursor {
            Some(cursor) => &format!("{}&cursor={cursor}", self.path),
            None => &self.path,
        };
        *request = http::get(self.address, path, &self.token);
        true
    }

    fn answered(&mut self, answer: Answer<'_>) -> bool {
        self.cursor = next_cursor(answer.body);
        answer.status == 200
    }
}

/// The text of the last member of a page, `nextCursor`; `None` if that is null. Pages are not parsed: that would cost
/// more than making them.
fn next_cursor(page: &[u8]) -> Option<String> {
    const MEMBER: &[u8] = b"\"nextCursor\":\"";
    let start = page.windows(MEMBER.len()).rposition(|window| window == MEMBER)? + MEMBER.len();
    let cursor = page.get(start..)?.split(|byte| *byte == b'"').next()?;
    String::from_utf8(cursor.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_read_from_a_page_and_the_oldest_has_none() {
        assert_eq!(next_cursor(br#"{"entries":[{"seq":7}],"nextCursor":"7337"}"#), Some("7337".to_owned()));
        assert_eq!(next_cursor(br#"{"entries":[],"nextCursor":null}"#), None);
    }

    #[test]
    fn pages_are_asked_for_one_after_the_other_and_then_from_the_start() {
        let mut maker = PageMaker::new(SocketAddr::from(([127, 0, 0, 1], 80)), "/h?limit=2", "t");
        let mut asked = Vec::new();
        for page in [r#"{"nextCursor":"aa"}"#, r#"{"nextCursor":null}"#, r#"{"nextCursor":"aa"}"#] {
            let mut request = Vec::new();
            assert!(maker.make(&mut request));
            assert!(maker.answered(Answer { status: 200, body: page.as_bytes() }));
            asked.push(String::from_utf8(request).unwrap().split(' ').nth(1).unwrap().to_owned());
        }
        assert_eq!(asked, ["/h?limit=2", "/h?limit=2&cursor=aa", "/h?limit=2"]);
    }
}
