//! What a rule gives only once.

use serde_json::Value;

use super::RuleId;

/// A rule, and the value for which it has given to a user: it gives nothing for it again, ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnceKey {
    /// The rule.
    pub rule_id: RuleId,
    /// The value as JSON, so that `1` and `"1"` differ.
    pub value: String,
}

impl OnceKey {
    /// The longest value, in bytes of its JSON.
    pub const MAX_VALUE_BYTES: usize = 256;

    /// The key of a rule for a value; `None` for what is neither text, number nor boolean, and for what is too long.
    #[must_use]
    pub fn of(rule_id: &RuleId, value: &Value) -> Option<Self> {
        let is_plain = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
        let value = value.to_string();
        let fits = is_plain && value.len() <= Self::MAX_VALUE_BYTES;
        fits.then(|| Self { rule_id: rule_id.clone(), value })
    }
}
