//! What an operator asks and does.

use reqwest::Method;
use serde_json::Value;

use crate::{Answer, Satchel, wait};

/// Most entries that a test asks for in one page.
const PAGE: usize = 100;

impl Satchel {
    /// Sends an operator's request, with a body if there is one, and gives the answer as it is.
    pub async fn operate(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let operator = self.operator();
        let request = operator.request(method, &format!("/api/v1/queues/{path}"));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        operator.send(request).await
    }

    /// The statistics of the queue.
    pub async fn stats(&self) -> Value {
        self.operate(Method::GET, "stats", None).await.expect(200).json()
    }

    /// Waits until the queue's numbers are these; those that are not named may be any.
    pub async fn stats_become(&self, expected: &[(&str, i64)]) -> Value {
        wait::until(&format!("the statistics say {expected:?}"), || async {
            let stats = self.stats().await;
            expected.iter().all(|(name, number)| stats["stats"][name] == *number).then_some(stats)
        })
        .await
    }

    /// All parked jobs, the first parked first.
    pub async fn failed(&self) -> Vec<Value> {
        let failed = self.operate(Method::GET, &format!("failed?limit={PAGE}"), None).await.expect(200).json();
        assert!(failed["nextCursor"].is_null(), "more than a page: {failed}");
        failed["jobs"].as_array().expect("jobs").clone()
    }

    /// Has a parked job tried again.
    pub async fn retry(&self, job_id: &str) -> Answer {
        self.operate(Method::POST, &format!("failed/{job_id}/retry"), None).await
    }

    /// Gives a parked job up.
    pub async fn remove(&self, job_id: &str) -> Answer {
        self.operate(Method::DELETE, &format!("failed/{job_id}"), None).await
    }

    /// Pauses the queue: once it is answered, nothing is applied.
    pub async fn pause(&self) -> Answer {
        self.operate(Method::POST, "pause", None).await.expect(200)
    }

    /// Ends a pause.
    pub async fn resume(&self) -> Answer {
        self.operate(Method::POST, "resume", None).await.expect(200)
    }

    /// What operators did, the newest first.
    pub async fn actions(&self) -> Vec<Value> {
        let actions = self.operate(Method::GET, &format!("actions?limit={PAGE}"), None).await.expect(200).json();
        assert!(actions["nextCursor"].is_null(), "more than a page: {actions}");
        actions["actions"].as_array().expect("actions").clone()
    }

    /// What the API tells of a job.
    pub async fn job(&self, job_id: &str) -> Value {
        self.operator().get(&format!("/api/v1/jobs/{job_id}")).await.expect(200).json()
    }

    /// Waits until a job has this status, and gives its document.
    pub async fn status_becomes(&self, job_id: &str, status: &str) -> Value {
        wait::until(&format!("the job {job_id} is {status}"), || async {
            let job = self.job(job_id).await;
            (job["status"] == status).then_some(job)
        })
        .await
    }

    /// How many jobs are decided.
    pub fn decided(&self) -> i64 {
        self.database.owner.number("SELECT count(*) FROM jobs")
    }

    /// The statuses of all decided jobs, each with its number, as `applied 3, rejected 1`.
    pub fn outcomes(&self) -> String {
        let counted = "SELECT status, count(*) AS number FROM jobs GROUP BY status";
        let sql =
            format!("SELECT string_agg(status || ' ' || number, ', ' ORDER BY status) FROM ({counted}) AS counted");
        self.database.owner.run(&sql)
    }
}
