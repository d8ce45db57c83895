//! The roles that the programs log in as, each with no more than its program needs (`migrations/0027_roles.sql`).

use secrecy::SecretString;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::scram;
use super::{MigrateError, Pool, StoreError};

/// Whose login it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `satchel-api`, and the tools of operators.
    Api,
    /// `satchel-worker`.
    Worker,
}

impl Program {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Api, Self::Worker];

    /// Its role.
    #[must_use]
    pub const fn role(self) -> &'static str {
        match self {
            Self::Api => "satchel_api",
            Self::Worker => "satchel_worker",
        }
    }

    /// The setting of `satchel migrate` that lets the role log in.
    #[must_use]
    pub const fn password_setting(self) -> &'static str {
        match self {
            Self::Api => "SATCHEL_API_PASSWORD",
            Self::Worker => "SATCHEL_WORKER_PASSWORD",
        }
    }
}

/// What the roles log in with.
#[derive(Debug, Clone, Default)]
pub struct RolePasswords {
    /// `SATCHEL_API_PASSWORD`: of `satchel_api`.
    pub api: Option<SecretString>,
    /// `SATCHEL_WORKER_PASSWORD`: of `satchel_worker`.
    pub worker: Option<SecretString>,
}

impl RolePasswords {
    fn of(&self, program: Program) -> Option<&SecretString> {
        match program {
            Program::Api => self.api.as_ref(),
            Program::Worker => self.worker.as_ref(),
        }
    }
}

/// A role of early schemas, which their migrations name. It has nothing any more, and nobody logs in as it.
const FORMER_ROLE: &str = "satchel_app";

/// Makes the roles if they are not there, and lets those log in of which there are passwords. Whoever connected may act as
/// them.
pub(super) async fn ensure(connection: &mut PgConnection, passwords: &RolePasswords) -> Result<(), MigrateError> {
    for role in Program::ALL.map(Program::role).into_iter().chain([FORMER_ROLE]) {
        make(connection, role).await?;
    }
    for program in Program::ALL {
        let role = program.role();
        let is_superuser: bool = sqlx::query("SELECT rolsuper FROM pg_roles WHERE rolname = $1")
            .bind(role)
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        if is_superuser {
            return Err(MigrateError::Unbound(role));
        }
        if let Some(password) = passwords.of(program) {
            // ALTER ROLE takes no parameters, and a statement may be logged: so it has a verifier in place of the password.
            let verifier = scram::verifier(password)
                .map_err(|source| MigrateError::Password { setting: program.password_setting(), source })?;
            let statement = format!("ALTER ROLE {role} LOGIN PASSWORD '{verifier}'");
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

async fn make(connection: &mut PgConnection, role: &'static str) -> Result<(), MigrateError> {
    // Roles belong to the whole server, where two migrations may run at once: losing that race is fine. An owner that is no
    // superuser may act as a role that it has made (SATCHEL_DATABASE_ROLE), if it says so.
    let statement = format!(
        "DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                 CREATE ROLE {role} NOLOGIN;
                 IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                     GRANT {role} TO CURRENT_USER;
                 END IF;
             END IF;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
         END $$"
    );
    sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    Ok(())
}

impl Pool {
    /// Why the login is one that could do more than the program needs, e.g. by `SET ROLE NONE`; `None` if it is not.
    ///
    /// # Errors
    /// If Postgres is away, or has no schema.
    pub async fn excess_of_login(&self, program: Program) -> Result<Option<&'static str>, StoreError> {
        // Each program by what the other one alone may do.
        let asked = sqlx::query(
            "SELECT rolsuper, pg_has_role(session_user, relowner, 'MEMBER'),
                    has_schema_privilege(session_user, relnamespace, 'CREATE'),
                    has_table_privilege(session_user, 'ledger', 'INSERT')
                        OR pg_has_role(session_user, 'satchel_worker', 'MEMBER'),
                    has_any_column_privilege(session_user, 'journal', 'INSERT')
                        OR pg_has_role(session_user, 'satchel_api', 'MEMBER')
             FROM pg_roles, pg_class
             WHERE rolname = session_user AND pg_class.oid = 'shard_leases'::regclass",
        );
        let row = asked.fetch_one(&self.0).await?;
        let (does_workers, does_apis): (bool, bool) = (row.try_get(3)?, row.try_get(4)?);
        Ok(if row.try_get(0)? {
            Some("is a superuser")
        } else if row.try_get(1)? {
            Some("owns the schema")
        } else if row.try_get(2)? {
            Some("may make objects in the schema (REVOKE CREATE ON SCHEMA public FROM PUBLIC)")
        } else if program == Program::Api && does_workers {
            Some("may do what workers do")
        } else if program == Program::Worker && does_apis {
            Some("may do what the API does")
        } else {
            None
        })
    }
}
