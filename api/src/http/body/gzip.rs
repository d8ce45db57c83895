//! Inflates gzip bodies of one member or several (RFC 1952 section 2.2), within bounds.

use std::io::Read as _;

use actix_web::web::{Bytes, BytesMut};
use flate2::bufread::GzDecoder;

use crate::http::problem::ApiError;

/// How much is inflated before the limit is looked at again, in bytes.
const STEP_BYTES: usize = 8 * 1024;

/// The most members of one body. Each costs the making of a decoder, however little is in it.
const MAX_MEMBERS: usize = 1_024;

/// The content of all members. `check` is given each step and how many bytes there are with it, and ends the inflating.
///
/// # Errors
/// 400 if it is no gzip or breaks off, and what `check` says.
pub(crate) fn inflate(
    body: &[u8],
    mut check: impl FnMut(&[u8], usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError> {
    let mut inflated = BytesMut::new();
    let mut step = [0; STEP_BYTES];
    let (mut rest, mut members) = (body, 0);
    while !rest.is_empty() {
        members += 1;
        if members > MAX_MEMBERS {
            return Err(ApiError::Malformed(format!("the body has more than {MAX_MEMBERS} gzip members")));
        }
        let mut member = GzDecoder::new(rest);
        loop {
            let length = member.read(&mut step).map_err(|error| broken(&error))?;
            let Some(content) = step.get(..length).filter(|content| !content.is_empty()) else { break };
            check(content, inflated.len() + length)?;
            inflated.extend_from_slice(content);
        }
        rest = member.into_inner();
    }
    Ok(inflated.freeze())
}

fn broken(error: &std::io::Error) -> ApiError {
    tracing::debug!(%error, "a gzip body could not be inflated");
    ApiError::Malformed("the body does not fit its Content-Encoding: it is no gzip, or ended early".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn at_most(limit_bytes: usize) -> impl FnMut(&[u8], usize) -> Result<(), ApiError> {
        move |_, total| if total > limit_bytes { Err(ApiError::TooLarge { limit_bytes }) } else { Ok(()) }
    }

    #[test]
    fn members_follow_each_other() {
        let body = [member(b"{\"a\""), member(b""), member(b":1}")].concat();
        assert_eq!(inflate(&body, at_most(7)).unwrap(), "{\"a\":1}");
    }

    #[test]
    fn a_bomb_in_any_member_and_many_small_ones_are_stopped() {
        let bomb = [member(b"{"), member(&vec![b' '; 8 * 1024 * 1024])].concat();
        let mut looked_at = 0;
        let stopped = inflate(&bomb, |_, total| {
            looked_at = total;
            at_most(65_536)(&[], total)
        });
        assert!(matches!(stopped, Err(ApiError::TooLarge { limit_bytes: 65_536 })));
        assert!(looked_at <= 65_536 + STEP_BYTES);
        let many: Vec<Vec<u8>> = vec![member(&[b' '; 100]); 700];
        assert!(matches!(inflate(&many.concat(), at_most(65_536)), Err(ApiError::TooLarge { .. })));
        let empty = vec![member(b""); MAX_MEMBERS + 1].concat();
        assert!(matches!(inflate(&empty, at_most(1)), Err(ApiError::Malformed(_))));
    }

    #[test]
    fn what_is_no_gzip_or_breaks_off_is_malformed() {
        let good = member(b"{}");
        let cut = good[..good.len() - 1].to_vec();
        for odd in [b"{}".to_vec(), cut, [good.clone(), b"x".to_vec()].concat(), [good, vec![0; 8]].concat()] {
            assert!(matches!(inflate(&odd, at_most(10)), Err(ApiError::Malformed(_))), "{odd:?}");
        }
    }
}
