//! What reward rules have given for, of those that give once for each value.

use serde_json::{Number, Value, json};

use super::Fact;
use crate::ids::RuleId;

/// Whether a rule has given to a user for a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleGrant;

impl Fact for RuleGrant {
    type Key = OnceKey;
    type Value = bool;
    const CHANGE: &'static str = "once";

    fn said(OnceKey { rule_id, value }: &OnceKey, _: &bool) -> String {
        json!([rule_id.as_str(), value]).to_string()
    }
}

/// A rule, and the value for which it has given to a user: it gives nothing for it again, ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnceKey {
    /// The rule.
    pub rule_id: RuleId,
    /// The value as JSON, so that `1` and `"1"` differ; equal numbers are written alike, `7.0` as `7`.
    pub value: String,
}

impl OnceKey {
    /// The longest value, in bytes of its JSON.
    pub const MAX_VALUE_BYTES: usize = 256;

    /// The key of a rule for a value; `None` for what is neither text, number nor boolean, and for what is too long.
    #[must_use]
    pub fn of(rule_id: &RuleId, value: &Value) -> Option<Self> {
        let value = match value {
            Value::Number(number) => number_text(number),
            Value::String(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        let fits = value.len() <= Self::MAX_VALUE_BYTES;
        fits.then(|| Self { rule_id: rule_id.clone(), value })
    }
}

/// Up to here, and down to its negative, each integer is a double of its own: 2^53.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A number as JSON. Senders write the same one as `7`, `7.0` or `7e0`, and zero as `-0`, as their languages have it.
fn number_text(number: &Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        // That makes a negative zero a plain one.
        Some(float) if float.fract() == 0.0 && float.abs() <= MAX_WHOLE => format!("{:.0}", float + 0.0),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_one_value_however_they_are_written() {
        let rule_id = RuleId::parse("r").unwrap();
        let key = |text: &str| OnceKey::of(&rule_id, &serde_json::from_str(text).unwrap()).unwrap().value;
        for (one, other) in [
            ("7", "7.0"),
            ("7", "0.7e1"),
            ("-7", "-7.00"),
            ("0", "-0"),
            ("0", "-0.0"),
            ("0", "0e5"),
            ("9007199254740992", "9007199254740992.0"),
            ("-9007199254740992", "-9.007199254740992e15"),
            ("0.5", "5e-1"),
            ("1e300", "10e299"),
        ] {
            assert_eq!(key(one), key(other));
        }
        for (one, other) in [("7", "7.5"), ("7", "-7"), ("7", "\"7\""), ("9007199254740993", "9007199254740992")] {
            assert_ne!(key(one), key(other));
        }
        assert_eq!((key("7.0"), key("-0"), key("7.5")), ("7".into(), "0".into(), "7.5".into()));
    }
}
