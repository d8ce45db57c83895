//! Programs of another installation that are told to use this one's Redis, by a mistake.

use std::sync::Arc;

use crate::satchel::command;
use crate::{Database, Process, Satchel};

/// See the module.
pub struct Stranger {
    /// The program.
    pub process: Process,
    /// Its database.
    pub database: Database,
}

impl Satchel {
    /// A program with a database of its own, and this Satchel's Redis and keys.
    pub fn stranger(&self, program: &'static str) -> Stranger {
        let database = Database::create(Arc::clone(&self.database.server));
        database.owner.run("UPDATE queue_state SET installation_id = gen_random_uuid()");
        let mut command = command(program, &[], &database, &self.redis);
        Stranger { process: Process::spawn(program, command.env("SATCHEL_API_ADDR", "127.0.0.1:0")), database }
    }

    /// One more worker, which may find that it cannot start.
    pub fn try_worker(&self) -> Process {
        Process::spawn("satchel-worker", &mut command("satchel-worker", &[], &self.database, &self.redis))
    }
}
