//! Query strings. Parameters that nobody reads are refused.

use super::{Extract, Parts, Takes};
use crate::http::cursor::{self, Key};
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;

/// How many entries a page has unless asked otherwise.
const DEFAULT_LIMIT: u16 = 50;
/// The most entries of a page.
const MAX_LIMIT: u16 = 500;

/// What a query string says.
pub(crate) trait FromQuery: Sized {
    /// Takes every parameter that there is; faults are noted in `parameters`.
    fn read(parameters: &mut Parameters) -> Self;
}

/// The query string, read as `T`.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: FromQuery> Extract for Query<T> {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        read(parts.request.query_string()).map(Self)
    }

    fn describe(takes: &mut Takes) {
        takes.query = Some(Parameters::asked_by(|parameters| drop(T::read(parameters))));
    }
}

/// Reads a query string.
///
/// # Errors
/// 400 with every fault.
pub(crate) fn read<T: FromQuery>(query: &str) -> Result<T, ApiError> {
    let mut parameters = Parameters::of(query)?;
    let read = T::read(&mut parameters);
    parameters.finish().map(|()| read)
}

/// Of a route without parameters.
pub(crate) struct NoQuery;

impl FromQuery for NoQuery {
    fn read(_: &mut Parameters) -> Self {
        Self
    }
}

impl Extract for NoQuery {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        read(parts.request.query_string())
    }

    fn describe(takes: &mut Takes) {
        Query::<Self>::describe(takes);
    }
}

/// `dryRun`: whether to say only what would happen.
pub(crate) struct DryRun(pub(crate) bool);

impl FromQuery for DryRun {
    fn read(parameters: &mut Parameters) -> Self {
        Self(parameters.take("dryRun", parameters::flag).unwrap_or(false))
    }
}

/// `cursor` and `limit`: a page of the listing with this tag, whose entries have such keys.
pub(crate) struct Page<const TAG: char, K> {
    /// The last key of the page before.
    pub(crate) after: Option<K>,
    /// The most entries.
    pub(crate) limit: u16,
}

impl<const TAG: char, K: Key> FromQuery for Page<TAG, K> {
    fn read(parameters: &mut Parameters) -> Self {
        let cursor = |text: &str| cursor::decode::<TAG, K>(text).ok_or("must be the nextCursor of the page before");
        Self {
            after: parameters.take("cursor", cursor),
            limit: parameters.take("limit", read_limit).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

impl<const TAG: char, K: Key> Page<TAG, K> {
    /// How many entries to look for: one more than asked for tells whether there are more.
    pub(crate) fn look_for(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts what was found to the page, and answers the cursor of the next one.
    pub(crate) fn cut<T>(&self, found: &mut Vec<T>, key: impl FnOnce(&T) -> K) -> Option<String> {
        let has_more = found.len() > usize::from(self.limit);
        found.truncate(self.limit.into());
        found.last().filter(|_| has_more).map(|last| cursor::encode::<TAG, K>(&key(last)))
    }
}

fn read_limit(text: &str) -> Result<u16, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("must be from 1 to {MAX_LIMIT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page<'s', i64>, Vec<(String, String)>> {
        read(query).map_err(|error| match error {
            ApiError::InvalidParameters(faults) => {
                assert!(faults.iter().all(|fault| fault.pointer.as_str() == format!("/{}", fault.parameter)));
                faults.into_iter().map(|fault| (fault.parameter, fault.detail)).collect()
            }
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn every_odd_parameter_is_named() {
        assert_eq!(page("").unwrap().limit, 50);
        assert_eq!(page("limit=7").unwrap().limit, 7);
        let faults = |query: &str| page(query).err().unwrap();
        let fault = |name: &str, detail: &str| (name.to_owned(), detail.to_owned());
        assert_eq!(faults("limit=0"), [fault("limit", "must be from 1 to 500")]);
        assert_eq!(faults("limit=501"), [fault("limit", "must be from 1 to 500")]);
        assert_eq!(faults("cursor=xx"), [fault("cursor", "must be the nextCursor of the page before")]);
        assert_eq!(
            faults("limit=x&asOf=now&limit=2"),
            [
                fault("limit", "is given twice"),
                fault("limit", "must be from 1 to 500"),
                fault("asOf", "is not a known parameter"),
            ]
        );
    }

    #[test]
    fn a_page_goes_on_where_it_was_cut() {
        let first = page("limit=2").unwrap();
        assert_eq!(first.look_for(), 3);
        let mut found = vec![1, 2, 3];
        let cursor = first.cut(&mut found, |seq| *seq).unwrap();
        assert_eq!((found, page(&format!("cursor={cursor}")).unwrap().after), (vec![1, 2], Some(2)));
        assert_eq!(first.cut(&mut vec![3, 4], |seq| *seq), None, "the last page");
    }

    #[test]
    fn what_a_query_asks_for_is_known_by_asking() {
        let mut takes = Takes::default();
        Query::<Page<'s', i64>>::describe(&mut takes);
        assert_eq!(takes.query.unwrap(), ["cursor", "limit"]);
    }
}
