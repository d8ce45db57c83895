//! The worker: where state changes.
//!
//! A job's journey reads top-down: [`run`] → `shards` (leases) → `lanes` (read what waits) → `batch` (verify, decide, write).
//! Beside the lanes, `tasks` bring forgotten jobs into the streams and forget what is old; functions do what happens after
//! (`satchel-functions`, with those of `satchel-connectors` and the `game_functions`). What waits in Postgres is trusted no more
//! than what comes from the queue (`batch::verify`).

mod batch;
mod config;
mod game_functions;
mod lanes;
mod outage;
mod shards;
mod start;
mod supervisor;
mod tasks;

use satchel_functions::Registry;
use satchel_settings::Env;

pub use config::Config;
pub use supervisor::run;

/// The functions that come with Satchel, and the game's own, as far as the environment turns them on; faults are noted in
/// `env`.
pub fn functions(env: &mut Env) -> Registry {
    Registry::from_env(
        env,
        satchel_connectors::functions().into_iter().chain(game_functions::FUNCTIONS.iter().copied()),
    )
}
