//! `POST /api/v1/functions/{functionId}/cancel`: many of a function's runs at once, by filter.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use satchel_forms::{Form, Node, Pointer, names_schema, pattern_schema};
use satchel_model::ids::{EventName, FunctionId, Reason, UserId};
use satchel_model::moment;
use satchel_store::functions::RunStatus;
use satchel_store::functions::cancel::{self as store, Cancelled, Filter};
use satchel_store::{Pool, StoreError};
use schemars::JsonSchema;
use serde::Serialize;

use super::runs::{MAX_TARGET_CHARS, read_target};
use super::{FUNCTIONS, check_known};
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::document;
use crate::http::extract::{DryRun, FromDocument, Json, Parts, PathId, Query, Received};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static CANCEL: Route = Route {
    method: Method::Post,
    path: "/api/v1/functions/{functionId}/cancel",
    operation: "cancelRuns",
    access: FUNCTIONS,
    errors: &[503],
    handler: || handle(cancel),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CancelledRuns {
    #[schemars(with = "String")]
    function_id: FunctionId,
    dry_run: bool,
    /// Runs ended by this request.
    cancelled: u64,
    /// Runs that fit and are left, counted as far as [`store::MAX_COUNTED`].
    remaining: i64,
    /// Whether there may be more than that.
    has_more: bool,
}

/// Which runs are to be ended, and why.
struct Cancelling {
    filter: Filter,
    reason: Option<Reason>,
}

/// Ends runs that wait, and has those that go on end before their next step, as many as one request may; with `dryRun=true`
/// only counts them.
async fn cancel(
    operating: Operating,
    (_, Query(DryRun(dry_run))): (Received, Query<DryRun>),
    Json(Cancelling { filter, reason }): Json<Cancelling>,
    PathId(function_id): PathId<FunctionId>,
    pool: Data<Pool>,
) -> Result<Answer<CancelledRuns>, ApiError> {
    check_known(&pool, &function_id).await?;
    let work = async {
        if dry_run {
            let remaining = store::count(&pool, &function_id, &filter).await?;
            return Ok::<_, StoreError>(Cancelled { cancelled: 0, remaining });
        }
        let reason = reason.as_ref().map(Reason::as_str);
        store::cancel(&pool, &function_id, &filter, reason, &operating.by()).await
    };
    let Cancelled { cancelled, remaining } = deadline::sweep(work).await?;
    let has_more = remaining >= store::MAX_COUNTED;
    Ok(Answer(CancelledRuns { function_id, dry_run, cancelled, remaining, has_more }))
}

impl FromDocument for Cancelling {
    async fn read(document: Node, _: &Parts) -> Result<Self, ApiError> {
        read(document).map(|(filter, reason)| Self { filter, reason })
    }
}

/// Which runs are meant: all that fit everything that is given.
#[derive(Form)]
#[serde(rename_all = "camelCase")]
struct Cancellation {
    /// In this state.
    #[form(text = read_status, schema = names_schema(&RunStatus::UNFINISHED.map(RunStatus::as_str)))]
    status: Option<RunStatus>,
    /// For this receiver.
    #[form(text = read_target, schema = pattern_schema(0..=MAX_TARGET_CHARS, "^\\P{Cc}*$"))]
    target: Option<String>,
    /// For events of this user.
    user_id: Option<UserId>,
    /// For events of this name.
    name: Option<EventName>,
    /// For events since then.
    #[form(text = moment::parse)]
    from: Option<DateTime<Utc>>,
    /// For events before then.
    #[form(text = moment::parse)]
    to: Option<DateTime<Utc>>,
    /// Why, in the operator's words.
    reason: Option<Reason>,
}

fn read(document: Node) -> Result<(Filter, Option<Reason>), ApiError> {
    let Cancellation { status, target, user_id, name: event_name, from, to, reason } = document::read(document)?;
    let filter = Filter { status, target, user_id, event_name, from, to };
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from > to
    {
        return Err(ApiError::invalid(Pointer::root().field("from"), "must not be after to"));
    }
    Ok((filter, reason))
}

/// One of a run that has not ended.
fn read_status(text: &str) -> Result<RunStatus, String> {
    let unfinished = RunStatus::parse(text).filter(|status| RunStatus::UNFINISHED.contains(status));
    unfinished.ok_or_else(|| format!("must be one of {}", RunStatus::UNFINISHED.map(RunStatus::as_str).join(", ")))
}

#[cfg(test)]
mod tests {
    use satchel_forms::testing::disagreement;
    use serde_json::json;

    use super::*;

    fn read_text(text: &str) -> Result<(Filter, Option<Reason>), Vec<String>> {
        read(Node::parse(text.as_bytes()).unwrap()).map_err(|error| match error {
            ApiError::Invalid(faults) => {
                faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
            }
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_schema_and_the_reader_agree() {
        let good = json!({"status": "queued", "target": "t", "userId": "u1", "name": "item/used", "reason": "import",
            "from": "2026-01-31T12:00:00Z", "to": "2026-01-31T13:00:00Z"});
        let read = |node| satchel_forms::read::<Cancellation>(node, Pointer::root()).map(drop);
        assert_eq!(disagreement::<Cancellation>(&[good], read), None);
    }

    #[test]
    fn a_filter_takes_all_that_it_knows_and_names_what_is_odd() {
        let (filter, reason) = read_text(
            r#"{"status":"queued","target":"t","userId":"u1","name":"item/used","from":"2026-01-31T12:00:00Z",
                "to":"2026-01-31T13:00:00Z","reason":"import"}"#,
        )
        .unwrap();
        assert_eq!((filter.status, filter.target.as_deref()), (Some(RunStatus::Queued), Some("t")));
        assert_eq!((filter.user_id.unwrap().as_str(), reason.unwrap().as_str()), ("u1", "import"));
        assert!(read_text("{}").unwrap().0.status.is_none());
        assert_eq!(
            read_text(r#"{"status":"failed","from":"now","more":1}"#).unwrap_err(),
            [
                "/status must be one of held, queued, retrying, sleeping, running",
                "/from must be a time as in RFC 3339, e.g. 2026-01-31T12:00:00Z",
                "/more is not a known field",
            ]
        );
        let backwards = r#"{"from":"2026-01-31T13:00:00Z","to":"2026-01-31T12:00:00Z"}"#;
        assert_eq!(read_text(backwards).unwrap_err(), ["/from must not be after to"]);
    }
}
