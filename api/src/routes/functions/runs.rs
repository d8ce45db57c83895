//! `GET /api/v1/functions/{functionId}/runs`: a function's runs, newest first.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use satchel_model::ids::{FunctionId, RunId};
use satchel_store::Pool;
use satchel_store::functions::{Run, RunStatus, operate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{FUNCTIONS, check_known};
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{FromQuery, Page, PathId, Query};
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static LIST: Route = Route {
    method: Method::Get,
    path: "/api/v1/functions/{functionId}/runs",
    operation: "listRuns",
    access: FUNCTIONS,
    errors: &[503],
    handler: || handle(list),
};

/// The longest target, in characters: far above any.
pub(super) const MAX_TARGET_CHARS: usize = 100;

/// Which runs are asked for, whoever they are for.
pub(crate) struct RunsQuery {
    status: Option<RunStatus>,
    page: Page<'r', (DateTime<Utc>, RunId)>,
}

/// Which runs are asked for.
struct TargetRunsQuery {
    target: Option<String>,
    runs: RunsQuery,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Runs {
    #[schemars(with = "Vec<Value>")]
    runs: Vec<Run>,
    next_cursor: Option<String>,
}

/// Answers a page of runs.
async fn list(
    Query(query): Query<TargetRunsQuery>,
    PathId(function_id): PathId<FunctionId>,
    pool: Data<Pool>,
) -> Result<Answer<Runs>, ApiError> {
    check_known(&pool, &function_id).await?;
    let (runs, next_cursor) = query.runs.page(&pool, &function_id, query.target.as_deref()).await?;
    Ok(Answer(Runs { runs, next_cursor }))
}

impl RunsQuery {
    /// A page of them, the newest first, and the cursor of the next one.
    pub(crate) async fn page(
        &self,
        pool: &Pool,
        function_id: &FunctionId,
        target: Option<&str>,
    ) -> Result<(Vec<Run>, Option<String>), ApiError> {
        let found = operate::runs(pool, function_id, self.status, target, self.page.after, self.page.look_for());
        let mut runs = deadline::answer(found).await?;
        let next_cursor = self.page.cut(&mut runs, |run| (run.created_at, run.run_id));
        Ok((runs, next_cursor))
    }
}

impl FromQuery for RunsQuery {
    fn read(parameters: &mut Parameters) -> Self {
        Self { status: parameters.take("status", read_status), page: Page::read(parameters) }
    }
}

impl FromQuery for TargetRunsQuery {
    fn read(parameters: &mut Parameters) -> Self {
        Self { target: parameters.take("target", read_target), runs: RunsQuery::read(parameters) }
    }
}

fn read_status(text: &str) -> Result<RunStatus, String> {
    RunStatus::parse(text).ok_or_else(|| format!("must be one of {}", RunStatus::ALL.map(RunStatus::as_str).join(", ")))
}

pub(super) fn read_target(text: &str) -> Result<String, String> {
    // Postgres refuses some of the control characters.
    let has_controls = text.chars().any(char::is_control);
    if has_controls || text.chars().count() > MAX_TARGET_CHARS {
        return Err(format!("must have at most {MAX_TARGET_CHARS} characters, none of them a control character"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::extract;

    fn read(query: &str) -> Result<TargetRunsQuery, ApiError> {
        extract::read_query(query)
    }

    #[test]
    fn every_filter_is_read_and_odd_ones_are_refused() {
        let query = read("status=failed&target=0190a5e4-8c6e-7000-8000-000000000000&limit=7").unwrap();
        assert_eq!((query.runs.status, query.runs.page.limit), (Some(RunStatus::Failed), 7));
        assert_eq!(query.target.unwrap().len(), 36);
        let long = format!("target={}", "t".repeat(101));
        for odd in ["status=lost", "target=%00", "target=a%0Ab", long.as_str(), "cursor=xx", "limit=0"] {
            assert!(matches!(read(odd), Err(ApiError::InvalidParameters(faults)) if faults.len() == 1), "{odd}");
        }
    }
}
