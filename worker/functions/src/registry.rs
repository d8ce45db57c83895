//! The functions that a worker runs.

use std::collections::BTreeMap;

use satchel_model::ids::FunctionId;
use satchel_settings::Env;
use satchel_store::functions::listeners::{All, Description, EventNames};

use crate::function::Registered;
use crate::{FromEnv, Function, Subscription};

/// See the module. Ids are unique in it. Clones share the functions.
#[derive(Clone, Default)]
pub struct Registry {
    functions: BTreeMap<FunctionId, Registered>,
}

/// Why a function was not taken into the registry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Its id has another form.
    #[error("the function id {id:?} {reason}")]
    Id {
        /// The id.
        id: &'static str,
        /// What it must be.
        reason: String,
    },
    /// Another one has its id.
    #[error("two functions have the id {0}")]
    Duplicate(&'static str),
}

/// Sets up one function, if it is on.
pub type SetUp = fn(&mut Registry, &mut Env);

impl Registry {
    /// The functions of these that the environment turns on; faults are noted in `env`.
    pub fn from_env(env: &mut Env, functions: impl IntoIterator<Item = SetUp>) -> Self {
        let mut registry = Self::default();
        functions.into_iter().for_each(|set_up| set_up(&mut registry, env));
        registry
    }

    /// Adds a function, if the environment turns it on; faults are noted in `env`.
    pub fn set_up<F: FromEnv>(&mut self, env: &mut Env) {
        let Some(function) = F::from_env(env) else { return };
        let id = function.id();
        if let Err(error) = self.add(Box::new(function)) {
            env.fault(id, error);
        }
    }

    /// Adds a function.
    ///
    /// # Errors
    /// [`RegistryError`] if its id is none, or another one's.
    pub fn add(&mut self, function: Box<dyn Function>) -> Result<(), RegistryError> {
        let id = function.id();
        let registered =
            Registered::new(function).map_err(|error| RegistryError::Id { id, reason: error.to_string() })?;
        if self.functions.contains_key(&registered.id) {
            return Err(RegistryError::Duplicate(id));
        }
        self.functions.insert(registered.id.clone(), registered);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Registered> {
        self.functions.values().find(|registered| registered.id.as_str() == id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.functions.values()
    }

    /// The functions' ids.
    pub(crate) fn ids(&self) -> Vec<&FunctionId> {
        self.functions.keys().collect()
    }

    /// The functions as all workers are told of them.
    pub(crate) fn describe(&self) -> Vec<(&FunctionId, Description)> {
        let description = |registered: &Registered| {
            let events = match registered.function.subscribes_to() {
                Subscription::All => EventNames::All(All::All),
                Subscription::Named(names) => EventNames::These(names.iter().map(|name| (*name).to_owned()).collect()),
            };
            Description {
                events,
                fanout: registered.function.fanout(),
                ordered: registered.policy.limits.ordered,
                policy: registered.policy.describe(),
            }
        };
        self.iter().map(|registered| (&registered.id, description(registered))).collect()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use satchel_model::records::Event;

    use super::*;
    use crate::{Failure, Steps};

    struct Named(&'static str, Subscription);

    #[async_trait]
    impl Function for Named {
        fn id(&self) -> &'static str {
            self.0
        }

        fn subscribes_to(&self) -> Subscription {
            self.1
        }

        async fn handle(&self, _: &Event, _: &mut Steps<'_>) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[test]
    fn an_id_is_taken_once_and_must_be_one() {
        let mut registry = Registry::default();
        registry.add(Box::new(Named("item-used-notifier", Subscription::Named(&["item/used"])))).unwrap();
        let again = registry.add(Box::new(Named("item-used-notifier", Subscription::All)));
        assert_eq!(again, Err(RegistryError::Duplicate("item-used-notifier")));
        assert!(matches!(
            registry.add(Box::new(Named("x", Subscription::All))),
            Err(RegistryError::Id { id: "x", .. })
        ));
        assert_eq!(registry.iter().count(), 1);
    }
}
