//! Programs that refuse to start with a login.

use std::process::{Command, Stdio};

use crate::token::SECRET;
use crate::{ENVELOPE_KEY, LEDGER_KEY, Psql, Satchel, binary};

/// What a program says that is to use this login, acting as `role` if that is not empty. Fails the test if it starts.
pub fn refused_start(satchel: &Satchel, program: &str, login: &Psql, role: &str) -> String {
    let output = Command::new(binary(program))
        .env_clear()
        .stdin(Stdio::null())
        .env("DATABASE_URL", login.url())
        .env("SATCHEL_DATABASE_ROLE", role)
        .env("REDIS_URL", satchel.redis.url())
        .env("SATCHEL_ENVELOPE_KEY", ENVELOPE_KEY)
        .env("SATCHEL_LEDGER_KEY", LEDGER_KEY)
        .env("SATCHEL_JWT_SECRET", SECRET)
        .env("SATCHEL_API_ADDR", "127.0.0.1:0")
        .output()
        .expect("a program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{program} starts as {}, {role:?}: {said}", login.user);
    said
}
