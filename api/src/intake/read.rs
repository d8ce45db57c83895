//! From a request's body to what it submits, each entry of an array for itself.

use actix_web::web::Bytes;
use satchel_forms::{Document, Entries, Entry, Faults, Node, Pointer};

use crate::http::body::Limits;
use crate::http::offload;
use crate::http::problem::ApiError;

/// A longer body is read elsewhere, in bytes: reading 64 KiB takes about a millisecond.
const MAX_READ_HERE_BYTES: usize = 64 * 1024;

/// What a body says.
pub(crate) enum Submitted<T> {
    One(Result<T, ApiError>),
    /// An array's entries, in their order.
    Many(Vec<Result<T, ApiError>>),
}

/// Reads a body, of an array `most` entries at most. How many there are is asked of `admit` before any of them is read.
///
/// # Errors
/// 400 for what is no JSON as a whole, 422 for an array of none or too many; those of `admit`.
pub(crate) async fn submitted<T: Send + 'static>(
    body: Bytes,
    most: usize,
    admit: impl FnOnce(usize) -> Result<(), ApiError> + Send + 'static,
    read: fn(Node, Pointer) -> Result<T, Faults>,
) -> Result<Submitted<T>, ApiError> {
    offload::run(body.len() > MAX_READ_HERE_BYTES, move || match Document::parse(&body, most)? {
        Document::One(node) => {
            admit(1)?;
            Ok(Submitted::One(read(node, Pointer::root()).map_err(ApiError::Invalid)))
        }
        Document::TooMany => Err(wrong_length(most)),
        Document::Many(entries) if entries.count() == 0 => Err(wrong_length(most)),
        Document::Many(entries) => {
            admit(entries.count())?;
            check_is_no_nest(&entries)?;
            Ok(Submitted::Many(entries.iter().map(|entry| read_entry(entry, read)).collect()))
        }
    })
    .await?
}

/// Reads an entry as it would be read alone.
fn read_entry<T>(entry: Entry<'_>, read: fn(Node, Pointer) -> Result<T, Faults>) -> Result<T, ApiError> {
    let limit_bytes = Limits::JOB_BYTES;
    if entry.text.len() > limit_bytes {
        return Err(ApiError::EntryTooLarge { at: entry.at, limit_bytes });
    }
    let node = entry.read().map_err(ApiError::Unreadable)?;
    read(node, entry.at).map_err(ApiError::Invalid)
}

/// Nothing but arrays in arrays, deeper than is read, is no array of jobs with a fault in it: it is malformed as a whole.
fn check_is_no_nest(entries: &Entries<'_>) -> Result<(), ApiError> {
    let only = entries.iter().next().filter(|_| entries.count() == 1);
    if only.is_some_and(|entry| entry.text.starts_with('[') && entry.read().is_err()) {
        return Err(ApiError::Malformed("the document is nested too deep".to_owned()));
    }
    Ok(())
}

/// That an array has none, or more entries than it may have.
fn wrong_length(most: usize) -> ApiError {
    ApiError::invalid(Pointer::root(), format!("must have 1 to {most} entries"))
}

#[cfg(test)]
mod tests {
    use satchel_model::operations::Submission;

    use super::*;

    async fn read(text: String) -> Result<Submitted<Submission>, ApiError> {
        submitted(text.into(), 1_000, |_| Ok(()), Submission::parse).await
    }

    #[actix_web::test]
    async fn an_entry_is_refused_for_what_it_would_be_refused_for_alone() {
        let good = r#"{"type":"use_item","userId":"u1","itemId":"key"}"#;
        let with = |reason: &str| format!(r#"{{"type":"use_item","userId":"u1","itemId":"key","reason":{reason}}}"#);
        let long = with(&format!("\"{}\"", "x".repeat(65_536)));
        let (half, huge) = (with(r#""\ud83d""#), with("1e999"));
        let text = format!("[{good},{half},{long},{huge},{good}]");
        let Ok(Submitted::Many(entries)) = read(text).await else { panic!("no array") };
        assert!(entries[0].is_ok() && entries[4].is_ok());
        let problems: Vec<_> = entries.iter().filter_map(|entry| entry.as_ref().err()).map(ApiError::problem).collect();
        let problems = serde_json::to_value(problems).unwrap();
        let told = |place: usize| (problems[place]["status"].clone(), problems[place]["errors"][0]["pointer"].clone());
        assert_eq!(told(0), (400.into(), "/1/reason".into()));
        assert_eq!(told(1), (413.into(), "/2".into()));
        assert_eq!(told(2), (422.into(), "/3/reason".into()));
    }

    #[actix_web::test]
    async fn what_is_no_json_as_a_whole_or_has_too_many_entries_is_refused_as_a_whole() {
        for text in ["[{},]", "[{}", "{\"a\":\"\\ud83d\"}", ""] {
            assert!(matches!(read(text.to_owned()).await, Err(ApiError::Malformed(_))), "{text}");
        }
        for text in ["[]".to_owned(), format!("[{}[]]", "[],".repeat(1_000)), format!("[{}[]]", "[],".repeat(300_000))]
        {
            assert!(matches!(read(text).await, Err(ApiError::Invalid(_))));
        }
    }

    #[actix_web::test]
    async fn entries_are_admitted_by_their_number_before_any_is_read() {
        for (text, jobs) in [("{}", 1), ("[{}]", 1), ("[1,{},\"x\"]", 3)] {
            let admit = move |asked| {
                assert_eq!(asked, jobs, "{text}");
                Err(ApiError::TooManyJobs { seconds: 7 })
            };
            let read = submitted::<()>(text.into(), 10, admit, |_, _| panic!("it was read")).await;
            assert!(matches!(read, Err(ApiError::TooManyJobs { seconds: 7 })), "{text}");
        }
    }
}
