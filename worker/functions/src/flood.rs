//! A function's settings for a flood of events: which of its runs begin first, and how old they may become.

use std::str::FromStr;
use std::time::Duration;

use satchel_settings::Env;

use crate::Policy;

/// The oldest that a run may be allowed to become, in seconds: ten years.
const MAX_AGE_SECONDS: u64 = 10 * 366 * 86_400;

/// The order in which due runs begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `oldest`.
    OldestFirst,
    /// `newest`.
    NewestFirst,
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "oldest" => Ok(Self::OldestFirst),
            "newest" => Ok(Self::NewestFirst),
            _ => Err(format!("must be oldest or newest, not {text:?}")),
        }
    }
}

/// Seconds, at least one.
struct Seconds(u64);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(seconds @ 1..=MAX_AGE_SECONDS) => Ok(Self(seconds)),
            _ => Err(format!("must be seconds, from 1 to {MAX_AGE_SECONDS}")),
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flood {
    newest_first: bool,
    max_age: Option<Duration>,
}

impl Flood {
    /// Reads both variables; faults are noted in `env`.
    pub fn from_env(env: &mut Env, order: &str, max_age: &str) -> Self {
        let newest_first = env.or(order, Order::OldestFirst) == Order::NewestFirst;
        Self { newest_first, ..Self::in_order_from_env(env, max_age) }
    }

    /// The same for a function that takes each user's events in order.
    pub fn in_order_from_env(env: &mut Env, max_age: &str) -> Self {
        let max_age = env.optional(max_age).map(|Seconds(seconds)| Duration::from_secs(seconds));
        Self { newest_first: false, max_age }
    }

    /// The policy with it.
    #[must_use]
    pub fn apply(self, mut policy: Policy) -> Policy {
        policy.limits.newest_first = self.newest_first;
        policy.max_age = self.max_age;
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Flood, String) {
        let mut env = Env::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let flood = Flood::from_env(&mut env, "X_ORDER", "X_MAX_AGE_SECONDS");
        (flood, env.finish().err().map(|faults| faults.to_string()).unwrap_or_default())
    }

    #[test]
    fn nothing_is_dropped_and_the_oldest_is_the_first_unless_the_environment_says_so() {
        assert_eq!(read(&[]), (Flood::default(), String::new()));
        let (flood, faults) = read(&[("X_ORDER", "newest"), ("X_MAX_AGE_SECONDS", "3600")]);
        let policy = flood.apply(Policy::default());
        assert_eq!(
            (policy.limits.newest_first, policy.max_age, faults),
            (true, Some(Duration::from_hours(1)), String::new())
        );
        for odd in ["0", "-1", "soon", "1.5", "99999999999"] {
            assert!(read(&[("X_MAX_AGE_SECONDS", odd)]).1.contains("X_MAX_AGE_SECONDS"), "{odd}");
        }
        assert!(read(&[("X_ORDER", "random")]).1.contains("oldest or newest"));
    }
}
