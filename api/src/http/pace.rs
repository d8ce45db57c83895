//! A long answer is sent in portions, and its client must take them at a pace: one that takes next to nothing would hold
//! the answer in memory for as long as it likes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::web::Bytes;

/// The longest portion, in bytes; a shorter answer is sent as it is.
const PORTION_BYTES: usize = 32 * 1024;

/// The least that a client must take on average, in bytes per second, once its grace is over.
const MIN_BYTES_PER_SECOND: u64 = 8 * 1024;

/// Middleware that lets clients have `grace` more than the slowest pace takes.
pub(crate) fn keep<S>(
    grace: Duration,
    request: ServiceRequest,
    next: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let answer = next.call(request);
    async move { Ok(answer.await?.map_body(|_, body| paced(body, grace))) }
}

fn paced(body: BoxBody, grace: Duration) -> BoxBody {
    if !matches!(body.size(), BodySize::Sized(bytes) if bytes > PORTION_BYTES as u64) {
        return body;
    }
    match body.try_into_bytes() {
        Ok(rest) => BoxBody::new(Portions { length: rest.len() as u64, rest, grace, began: None }),
        Err(body) => body,
    }
}

/// A body that is sent in portions.
struct Portions {
    length: u64,
    rest: Bytes,
    grace: Duration,
    /// When the first one was asked for.
    began: Option<Instant>,
}

/// Why an answer breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the client takes its answer too slowly")]
struct TooSlow;

impl Portions {
    /// Whether so much has been taken after so long that the rest may follow.
    fn is_in_time(&self, after: Duration) -> bool {
        let taken = self.length - self.rest.len() as u64;
        after <= self.grace + Duration::from_millis(taken.saturating_mul(1_000) / MIN_BYTES_PER_SECOND)
    }
}

impl MessageBody for Portions {
    type Error = TooSlow;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    /// Asked for only when what came before has been taken, or is in the kernel's hands.
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, TooSlow>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let began = *self.began.get_or_insert_with(Instant::now);
        if !self.is_in_time(began.elapsed()) {
            return Poll::Ready(Some(Err(TooSlow)));
        }
        let portion = self.rest.len().min(PORTION_BYTES);
        Poll::Ready(Some(Ok(self.rest.split_to(portion))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    #[actix_web::test]
    async fn an_answer_comes_whole_however_long_it_is() {
        for length in [0, 1, PORTION_BYTES, PORTION_BYTES + 1, 10 * PORTION_BYTES + 7] {
            let bytes: Bytes = (0..=255).cycle().take(length).collect::<Vec<u8>>().into();
            let body = paced(BoxBody::new(bytes.clone()), Duration::from_secs(30));
            assert_eq!(body.size(), BodySize::Sized(length as u64));
            assert_eq!(to_bytes(body).await.unwrap(), bytes);
        }
    }

    #[test]
    fn who_takes_too_little_is_left() {
        let after = |taken: u64, seconds| {
            let rest = Bytes::from(vec![0; 1_000_000 - usize::try_from(taken).unwrap()]);
            let portions = Portions { length: 1_000_000, rest, grace: Duration::from_secs(30), began: None };
            portions.is_in_time(Duration::from_secs(seconds))
        };
        assert!(after(0, 30) && !after(0, 31));
        assert!(after(10 * MIN_BYTES_PER_SECOND, 40) && !after(10 * MIN_BYTES_PER_SECOND, 41));
    }

    #[actix_web::test]
    async fn who_was_left_gets_no_more() {
        let rest = Bytes::from(vec![0; 2 * PORTION_BYTES]);
        let began = Instant::now().checked_sub(Duration::from_secs(2));
        let portions = Portions { length: rest.len() as u64, rest, grace: Duration::from_secs(1), began };
        assert!(to_bytes(portions).await.is_err());
    }
}
