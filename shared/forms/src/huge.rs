//! Numbers beyond the range of a double.
//!
//! They are JSON (RFC 8259 section 6 leaves the range of numbers to whoever reads them), but `serde_json` stops at the
//! first one as it does where the text is no JSON. What they are of would be refused as a whole, an array with all its
//! good entries, and nobody would be told where the number stands.

use serde::de::IgnoredAny;

/// A text of the same length with zeros instead of huge numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tamed {
    pub(super) text: Vec<u8>,
    /// Which of the text's numbers were huge, counted from 0, in their order.
    pub(super) huge: Vec<usize>,
}

impl Tamed {
    /// Takes the huge numbers out of a text, which need be no JSON; `None` if there are none.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let mut tamed = Self { text: Vec::with_capacity(text.len()), huge: Vec::new() };
        let (mut rest, mut numbers) = (text, 0);
        while let Some(first) = rest.first() {
            let is_number = matches!(first, b'-' | b'0'..=b'9');
            let length = match first {
                b'"' => string_length(rest),
                _ if is_number => number_length(rest),
                _ => 1,
            };
            let (token, after) = rest.split_at(length);
            if is_number && is_huge(token) {
                tamed.huge.push(numbers);
                tamed.text.push(b'0');
                tamed.text.resize(tamed.text.len() + token.len() - 1, b' ');
            } else {
                tamed.text.extend_from_slice(token);
            }
            numbers += usize::from(is_number);
            rest = after;
        }
        (!tamed.huge.is_empty()).then_some(tamed)
    }
}

/// The length of the string at the beginning of a text, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let is_end = |byte: &u8| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    };
    text.iter().skip(1).position(is_end).map_or(text.len(), |place| place + 2)
}

/// The length of what may be a number at the beginning of a text, which is at least one byte.
fn number_length(text: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
    text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len())
}

/// Whether it is a number, and one that cannot be read as a double.
fn is_huge(token: &[u8]) -> bool {
    serde_json::from_slice::<f64>(token).is_err() && serde_json::from_slice::<IgnoredAny>(token).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tamed(text: &str) -> Option<(String, Vec<usize>)> {
        Tamed::of(text.as_bytes()).map(|tamed| (String::from_utf8(tamed.text).unwrap(), tamed.huge))
    }

    #[test]
    fn huge_numbers_are_zeros_and_everything_else_stays_where_it_is() {
        let text = r#"{"1e400":[1e400,-2,"a\\\"1e400", -1e999 ,3],"b":1E+400}"#;
        let zeros = r#"{"1e400":[0    ,-2,"a\\\"1e400", 0      ,3],"b":0     }"#;
        assert_eq!(tamed(text), Some((zeros.to_owned(), vec![0, 2, 4])));
        let digits = "9".repeat(400);
        assert_eq!(tamed(&digits), Some((format!("0{}", " ".repeat(399)), vec![0])));
    }

    #[test]
    fn what_is_no_huge_number_is_left_alone() {
        for text in
            ["", "1e308", "1e-400", "18446744073709551616", "\"1e400\"", "\"1e400", "01e400", "1e400.5", "true-", "\\"]
        {
            assert_eq!(tamed(text), None, "{text}");
        }
    }
}
