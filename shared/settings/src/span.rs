//! A length of time as people write it.

use std::str::FromStr;

/// The longest one, in seconds: ten years.
const MAX_SECONDS: u64 = 3_660 * 24 * 3_600;

/// A number of seconds, minutes, hours or days: `90s`, `15m`, `1h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// How many seconds it is; at least one.
    pub seconds: u64,
}

/// A text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a number with s, m, h or d, such as 90s, 15m, 1h or 7d")]
pub struct InvalidSpan;

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 24 * 3_600,
            _ => return Err(InvalidSpan),
        };
        let number: u64 = text.get(..text.len() - 1).and_then(|number| number.parse().ok()).ok_or(InvalidSpan)?;
        let seconds = number.checked_mul(unit).filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
        seconds.map(|seconds| Self { seconds }).ok_or(InvalidSpan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_its_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(text.parse(), Ok(Span { seconds }), "{text}");
        }
        for odd in ["", "s", "0s", "1", "-1s", "1.5h", "1w", "99999999999999999999s", "9999999d", "1é"] {
            assert_eq!(odd.parse::<Span>(), Err(InvalidSpan), "{odd}");
        }
    }
}
