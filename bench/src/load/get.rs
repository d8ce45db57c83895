//! Reads: GET requests made beforehand, one after the other in a circle.

use std::sync::Arc;

use super::closed::Maker;
use super::http::Answer;

/// Sends the same requests again and again; each must be answered 200.
#[derive(Debug)]
pub(crate) struct GetMaker {
    requests: Arc<Vec<Vec<u8>>>,
    next: usize,
}

impl GetMaker {
    /// `requests` are whole ones (`http::get`), shared by all connections; it begins with number `first`.
    pub(crate) fn new(requests: Arc<Vec<Vec<u8>>>, first: usize) -> Self {
        Self { requests, next: first }
    }
}

impl Maker for GetMaker {
    fn make(&mut self, request: &mut Vec<u8>) -> bool {
        let count = self.requests.len().max(1);
        let Some(next) = self.requests.get(self.next % count) else { return false };
        request.clear();
        request.extend_from_slice(next);
        self.next = self.next.wrapping_add(1);
        true
    }

    fn answered(&mut self, answer: Answer<'_>) -> bool {
        answer.status == 200
    }
}
