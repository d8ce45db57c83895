//! A way to Postgres that is cut without a word to either end.

use std::sync::Arc;
use std::time::Duration;

use satchel_store::{Pool, PoolConfig, Program};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use url::Url;

use crate::database::Database;

/// Longer than the one who asks waits.
const PATIENCE: Duration = Duration::from_millis(200);

/// Passes connections on to Postgres until they are cut: then they stay open, and nothing comes through.
struct Way {
    url: String,
    cut: Arc<Notify>,
    _passing: JoinSet<()>,
}

impl Way {
    async fn to(url: &SecretString) -> Self {
        let mut url = Url::parse(url.expose_secret()).unwrap();
        let to = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        let cut = Arc::new(Notify::new());
        let mut passing = JoinSet::new();
        passing.spawn(pass(listener, to, Arc::clone(&cut)));
        Self { url: url.into(), cut, _passing: passing }
    }
}

async fn pass(listener: TcpListener, to: (String, u16), cut: Arc<Notify>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let mut server = TcpStream::connect(to.clone()).await.unwrap();
        let cut = Arc::clone(&cut);
        connections.spawn(async move {
            let is_cut = tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => false,
                () = cut.notified() => true,
            };
            if is_cut {
                // Held open on both sides.
                std::future::pending::<()>().await;
            }
        });
    }
}

#[tokio::test]
async fn a_pool_whose_connection_was_cut_while_somebody_asked_has_another_one_soon() {
    let database = Database::new().await;
    let config = database.config(Program::Api);
    let way = Way::to(&config.url).await;
    let pool = Pool::new(&PoolConfig { url: way.url.clone().into(), max_connections: 1, ..config }).unwrap();
    pool.ping().await.unwrap();
    way.cut.notify_waiters();
    assert!(tokio::time::timeout(PATIENCE, pool.ping()).await.is_err(), "nothing comes through");
    // (Its only connection is asked on for as long as the pool bears it, and this waits for that.)
    pool.ping().await.unwrap();
}
