//! What a client sends behind a request whose answer says `Connection: close` is not processed (RFC 9112 section 9.6).
//! The HTTP library reads requests ahead, and would.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, Service, ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::web::Bytes;
use actix_web::{Error, HttpResponse};

/// How long the last answer of a connection may take to be sent if there is a request behind it, in milliseconds.
const LAST_ANSWER_MS: u64 = 1_000;

/// A connection: whether an answer on it says that it is the last one.
#[derive(Clone, Default)]
struct Connection(Rc<Cell<bool>>);

/// Notes a new connection.
pub(crate) fn open(data: &mut Extensions) {
    data.insert(Connection::default());
}

/// Middleware that lets nothing behind the last answer come to the handlers.
pub(crate) fn guard<S>(
    request: ServiceRequest,
    next: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let connection = request.conn_data::<Connection>().cloned().unwrap_or_default();
    let is_last = request.head().connection_type() == ConnectionType::Close;
    let answer =
        if connection.0.replace(connection.0.get() || is_last) { Err(request) } else { Ok(next.call(request)) };
    async move {
        match answer {
            Ok(answer) => {
                let answer = answer.await?;
                if answer.response().head().connection_type() == ConnectionType::Close {
                    connection.0.set(true);
                }
                Ok(answer)
            }
            Err(behind) => {
                // The answer before it is on its way meanwhile. Then an answer that breaks off ends the connection.
                tokio::time::sleep(Duration::from_millis(LAST_ANSWER_MS)).await;
                let (behind, _) = behind.into_parts();
                let nothing = HttpResponse::with_body(StatusCode::BAD_REQUEST, BoxBody::new(Nothing));
                Ok(ServiceResponse::new(behind, nothing))
            }
        }
    }
}

/// A body that cannot be sent: nothing of its answer is.
struct Nothing;

/// What is behind the last answer of a connection.
#[derive(Debug, thiserror::Error)]
#[error("a request behind the last answer of its connection is not processed")]
struct Behind;

impl MessageBody for Nothing {
    type Error = Behind;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Behind>>> {
        Poll::Ready(Some(Err(Behind)))
    }
}
