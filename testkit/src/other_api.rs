//! One more API beside the first.

use std::process::ExitStatus;

use nix::sys::signal::Signal;

use crate::satchel::new_api;
use crate::token::{ALL_SCOPES, token};
use crate::{Caller, Process, Satchel};

/// See the module.
pub struct OtherApi {
    process: Process,
    /// The service `game` with all scopes.
    pub game: Caller,
}

impl OtherApi {
    /// Sends it a signal and waits for its end.
    pub fn stop(&self, signal: Signal) -> ExitStatus {
        self.process.signal(signal);
        self.process.wait()
    }
}

impl Satchel {
    /// Starts one more API, with these variables alone beside those that all have, and waits until it is ready.
    pub async fn other_api(&self, env: &[(&str, &str)]) -> OtherApi {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (process, _, anyone) = new_api(&env, &self.database, &self.redis, &self.journal).await;
        OtherApi { process, game: anyone.with(&token("service", "game", ALL_SCOPES)) }
    }
}
