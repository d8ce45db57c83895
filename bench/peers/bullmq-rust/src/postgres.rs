//! What a job does, and what a user holds: the statements of `service/sql/`, on pipelined connections.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, Row, Statement};
use uuid::Uuid;

use crate::job::Job;
use crate::settings;

/// A connection, and the statements prepared on it.
struct Connection {
    client: Client,
    reward: Statement,
    use_item: Statement,
    recorded: Statement,
    inventory: Statement,
}

/// Connections that take a statement before the one before it is answered. Each statement is a transaction of its own.
pub(crate) struct Postgres {
    connections: Vec<Connection>,
    next: AtomicUsize,
}

impl Postgres {
    /// Opened; refused if Postgres cannot be reached now.
    pub(crate) async fn open(connections: usize) -> Result<Self> {
        let url = settings::required("PG_URL")?;
        let mut opened = Vec::new();
        for _ in 0..connections {
            opened.push(Connection::open(&url).await.context("cannot reach Postgres")?);
        }
        ensure!(!opened.is_empty(), "there must be a connection to Postgres");
        Ok(Self { connections: opened, next: AtomicUsize::new(0) })
    }

    /// Applies a job once, however often it is delivered, and says what came of it.
    pub(crate) async fn apply(&self, job_id: Uuid, job: &Job) -> Result<Value> {
        let connection = self.next()?;
        match connection.change(job_id, job).await {
            Ok(rows) => Ok(outcome(job, &rows)),
            Err(error) if is_second_delivery(&error) => {
                let rows = connection.client.query(&connection.recorded, &[&job_id]).await?;
                let is_applied = rows.first().is_some_and(|row| row.get::<_, &str>("status") == "applied");
                Ok(outcome(job, if is_applied { &rows } else { &[] }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What a user holds, by item.
    pub(crate) async fn inventory(&self, user_id: &str) -> Result<Vec<(String, i64)>> {
        let connection = self.next()?;
        let rows = connection.client.query(&connection.inventory, &[&user_id]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn next(&self) -> Result<&Connection> {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len().max(1);
        self.connections.get(next).context("no connection to Postgres")
    }
}

impl Connection {
    async fn open(url: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("postgres: {error}");
            }
        });
        Ok(Self {
            reward: client.prepare(include_str!("../../service/sql/reward.sql")).await?,
            use_item: client.prepare(include_str!("../../service/sql/use.sql")).await?,
            recorded: client.prepare(include_str!("../../service/sql/recorded.sql")).await?,
            inventory: client.prepare(include_str!("../../service/sql/inventory.sql")).await?,
            client,
        })
    }

    async fn change(&self, job_id: Uuid, job: &Job) -> Result<Vec<Row>, tokio_postgres::Error> {
        match job {
            Job::RewardInventoryItem { user_id, items, .. } => {
                let ids: Vec<&str> = items.iter().map(|item| item.item_id.as_str()).collect();
                let quantities: Vec<i64> = items.iter().map(|item| item.quantity).collect();
                self.client.query(&self.reward, &[&job_id, user_id, &ids, &quantities]).await
            }
            Job::UseItem { user_id, item_id, quantity } => {
                self.client.query(&self.use_item, &[&job_id, user_id, item_id, quantity]).await
            }
        }
    }
}

fn is_second_delivery(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
        && error.as_db_error().is_some_and(|error| error.constraint() == Some("jobs_pkey"))
}

fn outcome(job: &Job, rows: &[Row]) -> Value {
    let entry = |row: &Row| {
        let (item_id, delta, balance): (&str, i64, i64) = (row.get("item_id"), row.get("delta"), row.get("balance"));
        json!({"itemId": item_id, "quantity": delta.abs(), "balance": balance})
    };
    match (job, rows.first()) {
        (Job::UseItem { item_id, .. }, None) => {
            json!({"status": "rejected", "result": {"code": "insufficient_quantity", "itemId": item_id}})
        }
        (Job::UseItem { .. }, Some(row)) => json!({"status": "applied", "result": {"consumed": entry(row)}}),
        (Job::RewardInventoryItem { .. }, _) => {
            json!({"status": "applied", "result": {"granted": rows.iter().map(entry).collect::<Vec<_>>()}})
        }
    }
}
