//! `GET /api/v1/functions/{functionId}/runs`: a function's runs, newest first.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_model::domain::FunctionId;
use satchel_store::functions::{Run, RunStatus, operate};
use serde::Serialize;
use validator::Validate;

use super::function;
use crate::cursor::{BeforeRun, Cursor as _};
use crate::deadline;
use crate::operating::Operating;
use crate::parameters::{self, Parameters};
use crate::problem::ApiError;
use crate::state::State;

/// The longest target, in characters: far above any.
pub(super) const MAX_TARGET_CHARS: usize = 100;

/// Which runs are asked for.
#[derive(Validate)]
pub(crate) struct RunsQuery {
    pub(crate) target: Option<String>,
    status: Option<RunStatus>,
    before: Option<BeforeRun>,
    #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Runs {
    runs: Vec<Run>,
    next_cursor: Option<String>,
}

/// Answers a page of runs.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let query = read_query(&request)?;
    let function_id = function(&state, &request).await?;
    let (runs, next_cursor) = query.page(&state, &function_id).await?;
    Ok(HttpResponse::Ok().json(Runs { runs, next_cursor }))
}

impl RunsQuery {
    /// What is said of all but the target.
    pub(crate) fn read(parameters: &mut Parameters) -> Self {
        Self {
            target: None,
            status: parameters.take("status", read_status),
            before: parameters.take("cursor", |text| BeforeRun::decode(text).ok_or(parameters::NOT_A_CURSOR)),
            limit: parameters.take("limit", parameters::limit).unwrap_or(parameters::DEFAULT_LIMIT),
        }
    }

    /// A page of them, the newest first, and the cursor of the next one.
    pub(crate) async fn page(
        &self,
        state: &State,
        function_id: &FunctionId,
    ) -> Result<(Vec<Run>, Option<String>), ApiError> {
        let limit = usize::from(self.limit);
        let before = self.before.as_ref().map(|before| (before.created_at, before.run_id));
        // One more than asked for tells whether there are more.
        let most = i64::from(self.limit) + 1;
        let page = operate::runs(&state.pool, function_id, self.status, self.target.as_deref(), before, most);
        let mut runs = deadline::answer(page).await?;
        let more = runs.len() > limit;
        runs.truncate(limit);
        let last = runs.last().filter(|_| more);
        let next_cursor = last.map(|run| BeforeRun { created_at: run.created_at, run_id: run.run_id }.encode());
        Ok((runs, next_cursor))
    }
}

fn read_query(request: &HttpRequest) -> Result<RunsQuery, ApiError> {
    let mut parameters = Parameters::of(request)?;
    let target = parameters.take("target", read_target);
    let query = RunsQuery { target, ..RunsQuery::read(&mut parameters) };
    parameters.finish_valid(query)
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
    use actix_web::test::TestRequest;

    use super::*;

    fn read(query: &str) -> Result<RunsQuery, ApiError> {
        read_query(&TestRequest::with_uri(&format!("/x?{query}")).to_http_request())
    }

    #[test]
    fn every_filter_is_read_and_odd_ones_are_refused() {
        let query = read("status=failed&target=0190a5e4-8c6e-7000-8000-000000000000&limit=7").unwrap();
        assert_eq!((query.status, query.limit), (Some(RunStatus::Failed), 7));
        assert_eq!(query.target.unwrap().len(), 36);
        let long = format!("target={}", "t".repeat(101));
        for odd in ["status=lost", "target=%00", "target=a%0Ab", long.as_str(), "cursor=xx", "limit=0"] {
            assert!(matches!(read(odd), Err(ApiError::InvalidParameters(faults)) if faults.len() == 1), "{odd}");
        }
    }
}
