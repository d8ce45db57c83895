//! An event that is to be added.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use crate::events::Emission;
use crate::ids::{JobId, UserKey};

/// See the module.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Whom it is about.
    pub user: UserKey,
    /// What happened.
    pub name: Cow<'static, str>,
    /// The version of its data's form.
    pub version: i16,
    /// The job that brought it about.
    pub job_id: Option<JobId>,
    /// Its id; `None` for the job's.
    pub id: Option<String>,
    /// When it happened, as its sender says.
    pub occurred_at: Option<DateTime<Utc>>,
    /// What it tells; `None` for what the job's record says.
    pub data: Option<Box<RawValue>>,
    /// Whether it is given to no function.
    pub is_quiet: bool,
}

impl NewEvent {
    /// The `nth` event, counted from 0, of a job. Events of a job after its first one are called `job id:nth`.
    #[must_use]
    pub fn of_job(user: UserKey, job_id: JobId, nth: usize, emission: Emission) -> Self {
        let Emission { name, version, id, occurred_at, data, .. } = emission;
        let id = id.or_else(|| (nth > 0).then(|| format!("{job_id}:{nth}")));
        Self { user, name, version, job_id: Some(job_id), id, occurred_at, data, is_quiet: false }
    }
}
