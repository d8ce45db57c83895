//! Ids in paths.

use satchel_model::ids::{FunctionId, ItemId, JobId, RunId};

use super::{Extract, Parts, Takes};
use crate::http::problem::ApiError;

/// An id that paths have.
pub(crate) trait InPath: Sized {
    /// Its name in the pattern.
    const NAME: &'static str;

    /// Reads it.
    fn parse(text: &str) -> Option<Self>;
}

/// An id in the path; 404 if it is none.
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: InPath> Extract for PathId<T> {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        T::parse(parts.request.match_info().query(T::NAME)).map(Self).ok_or(ApiError::NotFound)
    }

    fn describe(takes: &mut Takes) {
        takes.path.push(T::NAME);
    }
}

macro_rules! in_path {
    ($($id:ident $name:literal)*) => {
        $(impl InPath for $id {
            const NAME: &'static str = $name;

            fn parse(text: &str) -> Option<Self> {
                Self::parse(text).ok()
            }
        })*
    };
}

in_path! {
    FunctionId "functionId"
    ItemId "itemId"
    JobId "jobId"
    RunId "runId"
}
