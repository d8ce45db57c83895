//! A wire-tap: stands between a program and Postgres, passes everything on as it is, and keeps what was asked and how
//! often somebody had to wait for an answer (Postgres manual, "Frontend/Backend Protocol").

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::Psql;

/// What a connection opens with has no type (Postgres manual, "Message Formats": `StartupMessage`).
const STARTUP: u8 = 0;

/// See the module. It ends, with the connections through it, when it is dropped.
pub struct Wire {
    url: String,
    connections: Arc<Mutex<Vec<Tape>>>,
    listening: JoinHandle<()>,
}

/// What one connection said, in order.
type Tape = Arc<Mutex<Vec<Said>>>;

#[derive(Debug, Clone)]
enum Said {
    /// A statement that was sent off to be run; its blanks run together.
    Asked(String),
    /// Postgres has said all that it says before it is asked on.
    Answered,
}

/// A transaction that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// What was asked, from `BEGIN` to `COMMIT`, or one statement that was its own transaction; and how many answers were waited for
    /// before the next was asked.
    pub steps: Vec<(String, usize)>,
}

impl Wire {
    /// Listens for connections to that database.
    pub async fn tap(login: &Psql) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        // Without TLS nothing comes before the startup message.
        let url = format!("{}?sslmode=disable", Psql { port, host: "127.0.0.1".to_owned(), ..login.clone() }.url());
        let (to, connections) = ((login.host.clone(), login.port), Arc::default());
        let listening = tokio::spawn(listen(listener, to, Arc::clone(&connections)));
        Self { url, connections, listening }
    }

    /// Where to connect to instead.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Forgets what was said so far.
    pub fn forget(&self) {
        self.connections.lock().unwrap().iter().for_each(|tape| tape.lock().unwrap().clear());
    }

    /// The transactions that were begun and ended since, connection by connection.
    pub fn transactions(&self) -> Vec<Transaction> {
        let connections = self.connections.lock().unwrap();
        connections.iter().flat_map(|tape| transactions(&tape.lock().unwrap())).collect()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn transactions(said: &[Said]) -> Vec<Transaction> {
    let mut transactions = Vec::new();
    let mut open: Option<Transaction> = None;
    for said in said {
        match said {
            Said::Asked(text) if text.starts_with("BEGIN") => {
                open = Some(Transaction { steps: vec![(text.clone(), 0)] });
            }
            Said::Asked(text) => match &mut open {
                Some(transaction) => transaction.steps.push((text.clone(), 0)),
                None => open = Some(Transaction { steps: vec![(text.clone(), 0)] }),
            },
            Said::Answered => {
                let Some(transaction) = &mut open else { continue };
                let is_alone = !transaction.steps.first().expect("it began with one").0.starts_with("BEGIN");
                let (text, answers) = transaction.steps.last_mut().expect("it began with one");
                *answers += 1;
                let is_over = is_alone || ["COMMIT", "ROLLBACK"].contains(&text.as_str());
                let is_committed = is_alone || text == "COMMIT";
                if is_over {
                    transactions.extend(open.take().filter(|_| is_committed));
                }
            }
        }
    }
    transactions
}

async fn listen(listener: TcpListener, to: (String, u16), connections: Arc<Mutex<Vec<Tape>>>) {
    // Ended with this task.
    let mut open = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let tape = Tape::default();
        connections.lock().unwrap().push(Arc::clone(&tape));
        let to = to.clone();
        open.spawn(async move {
            // However it ends, both sides see their connection close.
            let _ = relay(client, to, &tape).await;
        });
    }
}

async fn relay(mut client: TcpStream, to: (String, u16), tape: &Tape) -> io::Result<()> {
    let mut server = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((asks, hears), (answers, is_asked)) = (client.split(), server.split());
    let mut asked = Asked::default();
    tokio::select! {
        ended = pass(asks, is_asked, true, |kind, body| asked.note(kind, body, tape)) => ended,
        ended = pass(answers, hears, false, |kind, _| note_answer(kind, tape)) => ended,
    }
}

/// Passes messages on, each noted before it is sent.
async fn pass(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    mut is_first: bool,
    mut note: impl FnMut(u8, &[u8]),
) -> io::Result<()> {
    let (mut from, mut to) = (BufReader::new(from), BufWriter::new(to));
    loop {
        let kind = if is_first { STARTUP } else { from.read_u8().await? };
        let length = from.read_u32().await?;
        // It counts itself.
        let mut body = vec![0; length.saturating_sub(4).try_into().expect("a size")];
        from.read_exact(&mut body).await?;
        note(kind, &body);
        if !is_first {
            to.write_u8(kind).await?;
        }
        is_first = false;
        to.write_u32(length).await?;
        to.write_all(&body).await?;
        if from.buffer().is_empty() {
            to.flush().await?;
        }
    }
}

/// `ReadyForQuery`, or `CopyInResponse`, after which rows are awaited.
fn note_answer(kind: u8, tape: &Tape) {
    if matches!(kind, b'Z' | b'G') {
        tape.lock().unwrap().push(Said::Answered);
    }
}

/// What a connection has prepared.
#[derive(Default)]
struct Asked {
    statements: HashMap<String, String>,
    portals: HashMap<String, String>,
    /// Prepared since the last `Sync`, and not bound since.
    only_prepared: Option<String>,
}

impl Asked {
    fn note(&mut self, kind: u8, body: &[u8], tape: &Tape) {
        let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let mut text = || texts.next().unwrap_or_default();
        let asked = match kind {
            b'Q' => Some(text()),
            b'P' => {
                let (name, statement) = (text(), text());
                self.only_prepared = Some(format!("PREPARE {statement}"));
                self.statements.insert(name, statement);
                None
            }
            b'B' => {
                let (portal, name) = (text(), text());
                self.only_prepared = None;
                self.portals.insert(portal, self.statements.get(&name).cloned().unwrap_or_default());
                None
            }
            b'E' => self.portals.get(&text()).cloned(),
            b'S' => self.only_prepared.take(),
            _ => None,
        };
        if let Some(asked) = asked {
            tape.lock().unwrap().push(Said::Asked(one_line(&asked)));
        }
    }
}

/// With its blanks run together.
pub fn one_line(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}
