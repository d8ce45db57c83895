//! The connection to an AMQP 0-9-1 broker, such as RabbitMQ, that all runs of a worker share. It is made when it is first
//! needed, and anew after anything has gone wrong on it.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Why a message was not published.
pub(super) enum Unpublished {
    /// No queue is bound for its routing key.
    NoRoute(String),
    /// The broker, or the way to it.
    Broker(String),
}

/// The time for a new connection, and for the broker to confirm a message.
const PATIENCE: Duration = Duration::from_secs(10);
/// The reply code of a message that no queue is bound for (AMQP 0-9-1, "no-route").
const NO_ROUTE: u16 = 312;

/// A topic exchange of a broker.
pub(super) struct Exchange {
    uri: AMQPUri,
    name: ShortString,
    open: Mutex<Option<Arc<Open>>>,
}

/// A connection on which the exchange was declared.
struct Open {
    connection: Connection,
    /// Channels with nothing under way. A channel has one message under way at most: a broker may confirm several
    /// together, and then it is not told which of them it has returned.
    idle: std::sync::Mutex<Vec<Channel>>,
}

impl Exchange {
    /// The exchange of this name at the broker; connects to nothing yet.
    pub(super) fn new(uri: AMQPUri, name: ShortString) -> Self {
        Self { uri, name, open: Mutex::default() }
    }

    /// Publishes a message. When this returns, each queue that is bound for the routing key has it, and durable queues
    /// have it on disk.
    ///
    /// # Errors
    /// [`Unpublished`]; if no confirmation came in time, it may be there.
    pub(super) async fn publish(
        &self,
        key: &str,
        message: &[u8],
        properties: BasicProperties,
    ) -> Result<(), Unpublished> {
        let open = timeout(PATIENCE, self.open()).await;
        let open = open.map_err(|_| Unpublished::broker("the AMQP broker cannot be reached in time"))?;
        let open = open.map_err(|error| broken(&error))?;
        if open.connection.status().blocked() {
            return Err(Unpublished::broker("the AMQP broker is short of memory or disk and takes no messages"));
        }
        let answer = match timeout(PATIENCE, self.send(&open, key, message, properties)).await {
            Ok(Ok(answer)) => answer,
            failed => {
                // A broken connection, or a broker that does not answer: others may not wait for it as well.
                self.forget(&open).await;
                return Err(match failed {
                    Ok(Err(error)) => broken(&error),
                    _ => Unpublished::broker("the AMQP broker has not confirmed the message in time"),
                });
            }
        };
        match answer {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                let (exchange, why) = (&self.name, &returned.reply_text);
                Err(if returned.reply_code == NO_ROUTE {
                    let why = format!("no queue is bound to the exchange {exchange} for the routing key {key}");
                    Unpublished::NoRoute(why)
                } else {
                    Unpublished::Broker(format!("the AMQP broker has returned the message: {why}"))
                })
            }
            Confirmation::Nack(None) => {
                Err(Unpublished::broker("the AMQP broker has refused the message (basic.nack)"))
            }
            Confirmation::NotRequested => Err(Unpublished::broker("the AMQP broker was not asked to confirm")),
        }
    }

    async fn send(
        &self,
        open: &Open,
        key: &str,
        message: &[u8],
        properties: BasicProperties,
    ) -> lapin::Result<Confirmation> {
        let channel = match open.take_idle() {
            Some(channel) => channel,
            None => open.new_channel().await?,
        };
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let confirmed = channel.basic_publish(self.name.clone(), key.into(), options, message, properties).await?;
        let answer = confirmed.await?;
        open.give_back(channel);
        Ok(answer)
    }

    /// The connection, made if there is none that holds.
    async fn open(&self) -> lapin::Result<Arc<Open>> {
        let mut current = self.open.lock().await;
        if let Some(open) = current.as_ref().filter(|open| open.connection.status().connected()) {
            return Ok(Arc::clone(open));
        }
        *current = None;
        let properties = ConnectionProperties::default().with_connection_name("satchel-worker".into());
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
        let open = Open { connection, idle: std::sync::Mutex::default() };
        let channel = open.new_channel().await?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(self.name.clone(), ExchangeKind::Topic, options, FieldTable::default()).await?;
        open.give_back(channel);
        tracing::info!(host = self.uri.authority.host, exchange = %self.name, "connected to the AMQP broker");
        Ok(Arc::clone(current.insert(Arc::new(open))))
    }

    /// Has the next message make a connection of its own. Messages that are under way on this one keep it.
    async fn forget(&self, open: &Arc<Open>) {
        let mut current = self.open.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, open)) {
            *current = None;
        }
    }
}

/// (An error of the library tells its cause by itself.)
fn broken(error: &lapin::Error) -> Unpublished {
    Unpublished::Broker(format!("AMQP: {error}"))
}

impl Unpublished {
    fn broker(why: &str) -> Self {
        Self::Broker(why.to_owned())
    }
}

impl Open {
    async fn new_channel(&self) -> lapin::Result<Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    fn take_idle(&self) -> Option<Channel> {
        self.idle().pop()
    }

    fn give_back(&self, channel: Channel) {
        self.idle().push(channel);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
