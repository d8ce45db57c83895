//! Whose queue it is. Two installations with one Redis, by a mistake in the settings, would take each other's jobs for
//! forged ones, and away. So a connection is used for nothing before the queue is known to be this installation's: the
//! first one that comes to an empty Redis leaves its mark there.

use redis::aio::ConnectionLike;
use redis::{ErrorKind, Pipeline, RedisResult, Value, from_redis_value};
use satchel_model::installation::Installation;

use super::failure::{FOREIGN, is_unusable};
use super::keys;

/// See the module.
#[derive(Clone)]
pub(super) struct Mark {
    id: String,
    commands: Pipeline,
}

impl Mark {
    pub(super) fn of(installation: &Installation) -> Self {
        let id = installation.id.to_string();
        let mut commands = Pipeline::new();
        commands.cmd("SET").arg(keys::installation()).arg(&id).arg("NX");
        commands.cmd("GET").arg(keys::installation());
        commands.ignore_errors();
        Self { id, commands }
    }

    /// Leaves the mark over a new connection, or finds it.
    ///
    /// # Errors
    /// If it is another installation's ([`FOREIGN`]), or the connection is of no use.
    pub(super) async fn leave<C: ConnectionLike>(&self, connection: &mut C) -> RedisResult<()> {
        let answers: Vec<RedisResult<Value>> = self.commands.query_async(connection).await?;
        let mut owner = None;
        for answer in answers {
            match answer {
                Err(error) if is_unusable(&error) => return Err(error),
                // A Redis that is full refuses the mark, and answers questions all the same.
                Err(_) => {}
                Ok(value) => owner = from_redis_value::<Option<String>>(value).unwrap_or_default(),
            }
        }
        match owner {
            Some(owner) if owner != self.id => Err((ErrorKind::Client, FOREIGN, owner).into()),
            _ => Ok(()),
        }
    }
}
