//! Reads typed values from environment variables and collects what is wrong with them.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use secrecy::SecretString;

/// The environment, and the faults found in it so far.
pub struct Env {
    variables: HashMap<String, String>,
    faults: Vec<String>,
}

/// Everything that is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:\n  {}", .0.join("\n  "))]
pub struct ConfigFaults(Vec<String>);

impl Env {
    /// This process's environment. Variables that are not UTF-8 are passed over.
    #[must_use]
    pub fn process() -> Self {
        Self::of(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// These variables.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        // An empty variable is as good as none: that is how compose files and shells say "unset".
        let variables = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { variables, faults: Vec::new() }
    }

    /// The value of `name`, if it is given and parses.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.variables.get(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(format!("{name}: {error}"));
                None
            }
        }
    }

    /// The value of `name`, or `default` if it is not given.
    pub fn or<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> T {
        self.optional(name).unwrap_or(default)
    }

    /// A number within `bounds`, or `default` if it is not given.
    pub fn number_or<T>(&mut self, name: &str, bounds: std::ops::RangeInclusive<T>, default: T) -> T
    where
        T: FromStr<Err: Display> + PartialOrd + Display + Copy,
    {
        let value = self.or(name, default);
        if !bounds.contains(&value) {
            self.note(format!("{name}: must be from {} to {}, not {value}", bounds.start(), bounds.end()));
        }
        value
    }

    /// A secret, from `name` or from the file that `name_FILE` names (its trailing line end is dropped).
    pub fn optional_secret(&mut self, name: &str) -> Option<SecretString> {
        let file_variable = format!("{name}_FILE");
        match (self.variables.get(name), self.variables.get(&file_variable)) {
            (Some(_), Some(_)) => {
                self.note(format!("{name}: give either it or {file_variable}, not both"));
                None
            }
            (Some(text), None) => Some(text.clone().into()),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) if text.trim().is_empty() => {
                    self.note(format!("{file_variable}: the file {path} is empty"));
                    None
                }
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).into()),
                Err(error) => {
                    self.note(format!("{file_variable}: cannot read {path}: {error}"));
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// A secret that must be given; an empty one, with a fault, if it is not.
    pub fn secret(&mut self, name: &str) -> SecretString {
        let is_given = self.variables.contains_key(name) || self.variables.contains_key(&format!("{name}_FILE"));
        self.optional_secret(name).unwrap_or_else(|| {
            if !is_given {
                self.note(format!("{name}: is required (or {name}_FILE)"));
            }
            SecretString::default()
        })
    }

    /// Two parts of one program may read the same variable: its fault is told once.
    fn note(&mut self, fault: String) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Notes a fault that the caller found.
    pub fn fault(&mut self, name: &str, detail: impl Display) {
        self.note(format!("{name}: {detail}"));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All faults, if there are any.
    pub fn finish(self) -> Result<(), ConfigFaults> {
        if self.faults.is_empty() { Ok(()) } else { Err(ConfigFaults(self.faults)) }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        Env::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut env = env(&[("LANES", "many"), ("BATCH", "0"), ("KEY", "k"), ("KEY_FILE", "/nowhere")]);
        assert_eq!(env.or("LANES", 2_u16), 2);
        env.number_or("BATCH", 1..=10, 5);
        env.secret("KEY");
        env.secret("URL");
        let text = env.finish().unwrap_err().to_string();
        for part in
            ["LANES: invalid digit", "BATCH: must be from 1 to 10, not 0", "KEY: give either", "URL: is required"]
        {
            assert!(text.contains(part), "{part} not in {text}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_not_given() {
        let mut env = env(&[("LANES", "")]);
        assert_eq!(env.or("LANES", 2_u16), 2);
        env.finish().unwrap();
    }

    #[test]
    fn a_secret_comes_from_its_file_without_the_line_end() {
        let path = std::env::temp_dir().join(format!("satchel-secret-{}", std::process::id()));
        std::fs::write(&path, "s3cret\n").unwrap();
        let mut env = env(&[("KEY_FILE", path.to_str().unwrap())]);
        assert_eq!(env.secret("KEY").expose_secret(), "s3cret");
        std::fs::remove_file(path).unwrap();
    }
}
