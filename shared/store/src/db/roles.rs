//! The roles that the programs log in as, each with no more than its program needs (`migrations/0013_roles.sql`).

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::program::{Program, RolePasswords};
use super::scram;
use crate::MigrateError;

/// Makes the roles if they are not there, and lets those log in of which there are passwords. Whoever connected may act as
/// them.
pub(crate) async fn ensure(connection: &mut PgConnection, passwords: &RolePasswords) -> Result<(), MigrateError> {
    for program in Program::ALL {
        let role = program.role();
        make(connection, role).await?;
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
