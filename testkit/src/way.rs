//! A way to a store, for faults that a network makes: what goes over it can be swallowed, held, delayed and cut, in each
//! direction, while programs use it; and it can lead elsewhere.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Most bytes passed on at once.
const PORTION_BYTES: usize = 4 * 1_024;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// They are passed on.
    Flows,
    /// They are acknowledged and dropped. A connection that lost some carries nothing any more: no stream goes on
    /// behind a hole.
    IsSwallowed,
    /// They are not taken, so that the sender's buffers fill; later they flow.
    IsHeld,
    /// They are passed on after so long, in milliseconds.
    IsDelayed(u64),
    /// Each connection carries so many bytes a second.
    IsSlow(u32),
}

/// Whose bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the store.
    Questions,
    /// From the store.
    Answers,
}

/// See the module. It ends, with the connections over it, when it is dropped.
pub struct Way {
    port: u16,
    switches: Arc<Switches>,
    listening: JoinHandle<()>,
}

struct Switches {
    questions: watch::Sender<Traffic>,
    answers: watch::Sender<Traffic>,
    /// How often all connections were cut.
    cuts: watch::Sender<u64>,
    to: AtomicU16,
    opened: AtomicU64,
}

impl Way {
    /// A way to this port of this machine.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let own_port = listener.local_addr().expect("an address").port();
        let switches = Arc::new(Switches {
            questions: watch::Sender::new(Traffic::Flows),
            answers: watch::Sender::new(Traffic::Flows),
            cuts: watch::Sender::default(),
            to: AtomicU16::new(port),
            opened: AtomicU64::new(0),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&switches)));
        Self { port: own_port, switches, listening }
    }

    /// Where to connect to instead.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were opened over it so far.
    pub fn opened(&self) -> u64 {
        self.switches.opened.load(Ordering::Relaxed)
    }

    /// What becomes of bytes from now on, in both directions.
    pub fn set(&self, traffic: Traffic) {
        self.set_for(Direction::Questions, traffic);
        self.set_for(Direction::Answers, traffic);
    }

    /// What becomes of bytes from now on, in one direction.
    pub fn set_for(&self, direction: Direction, traffic: Traffic) {
        let switch = match direction {
            Direction::Questions => &self.switches.questions,
            Direction::Answers => &self.switches.answers,
        };
        switch.send_replace(traffic);
    }

    /// Swallows everything for so long.
    pub async fn swallow_for(&self, time: Duration) {
        self.set(Traffic::IsSwallowed);
        tokio::time::sleep(time).await;
        self.set(Traffic::Flows);
    }

    /// Closes the connections that there are.
    pub fn cut(&self) {
        self.switches.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets connections that are made from now on lead to another port.
    pub fn lead_to(&self, port: u16) {
        self.switches.to.store(port, Ordering::Relaxed);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, switches: Arc<Switches>) {
    // Ended with this task.
    let mut open = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        switches.opened.fetch_add(1, Ordering::Relaxed);
        let switches = Arc::clone(&switches);
        open.spawn(async move {
            let mut cuts = switches.cuts.subscribe();
            tokio::select! {
                // However it ends, both sides see their connection close.
                _ = relay(client, &switches) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn relay(mut client: TcpStream, switches: &Switches) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", switches.to.load(Ordering::Relaxed))).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let has_hole = AtomicBool::new(false);
    let ((asks, hears), (answers, is_asked)) = (client.split(), server.split());
    tokio::select! {
        ended = pass(asks, is_asked, switches.questions.subscribe(), &has_hole) => ended,
        ended = pass(answers, hears, switches.answers.subscribe(), &has_hole) => ended,
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut switch: watch::Receiver<Traffic>,
    has_hole: &AtomicBool,
) -> io::Result<()> {
    let mut portion = vec![0; PORTION_BYTES];
    loop {
        let is_held = |traffic: &Traffic| *traffic != Traffic::IsHeld;
        if switch.wait_for(is_held).await.is_err() {
            return Ok(());
        }
        let length = tokio::select! {
            length = from.read(&mut portion) => length?,
            _ = switch.changed() => continue,
        };
        if length == 0 {
            return Ok(());
        }
        let traffic = *switch.borrow_and_update();
        if traffic == Traffic::IsSwallowed {
            has_hole.store(true, Ordering::Relaxed);
        }
        match traffic {
            Traffic::IsDelayed(delay_ms) => tokio::time::sleep(Duration::from_millis(delay_ms)).await,
            Traffic::IsSlow(bytes_per_second) => {
                let bytes = u32::try_from(length).unwrap_or(u32::MAX);
                tokio::time::sleep(Duration::from_secs_f64(f64::from(bytes) / f64::from(bytes_per_second))).await;
            }
            Traffic::Flows | Traffic::IsHeld | Traffic::IsSwallowed => {}
        }
        if !has_hole.load(Ordering::Relaxed) {
            to.write_all(&portion[..length]).await?;
        }
    }
}

/// Something that is no store: it answers whatever it is told as a web server would.
pub struct WebServer {
    port: u16,
    listening: JoinHandle<()>,
}

impl WebServer {
    /// Listens.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let listening = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                open.spawn(async move {
                    let mut portion = [0; 1_024];
                    while client.read(&mut portion).await.is_ok_and(|length| length > 0) {
                        let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
                    }
                });
            }
        });
        Self { port, listening }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A way for each user of each store.
pub struct Ways {
    /// From the API to Redis.
    pub api_to_redis: Way,
    /// From the API to Postgres.
    pub api_to_postgres: Way,
    /// From the workers to Redis.
    pub worker_to_redis: Way,
    /// From the workers to Postgres.
    pub worker_to_postgres: Way,
}

impl Ways {
    pub(crate) async fn to(redis: u16, postgres: u16) -> Self {
        Self {
            api_to_redis: Way::to(redis).await,
            api_to_postgres: Way::to(postgres).await,
            worker_to_redis: Way::to(redis).await,
            worker_to_postgres: Way::to(postgres).await,
        }
    }
}
