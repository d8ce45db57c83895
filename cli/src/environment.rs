//! Settings by name: this process's environment, and what lies over it.

use std::collections::BTreeMap;

use satchel_settings::Env;

/// Variables and their values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// This process's. Variables that are not UTF-8 are passed over.
    pub(crate) fn process() -> Self {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        Self(std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect())
    }

    /// Sets a variable; a `NAME_FILE` for the same secret no longer counts.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.remove(&format!("{name}_FILE"));
        self.0.insert(name.to_owned(), value.into());
    }

    /// Takes a variable out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
        self.0.remove(&format!("{name}_FILE"));
    }

    /// Sets all variables of `other`.
    pub(crate) fn overlay(&mut self, other: Self) {
        for (name, value) in other.0 {
            self.set(&name, value);
        }
    }

    /// The value of a variable, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a secret is given, by itself or by its `NAME_FILE`.
    pub(crate) fn names(&self, secret: &str) -> bool {
        let given = |name: &str| self.get(name).is_some_and(|value| !value.is_empty());
        given(secret) || given(&format!("{secret}_FILE"))
    }

    /// All, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A typed reader of these variables.
    pub(crate) fn reader(&self) -> Env {
        Env::of(self.0.clone())
    }
}
