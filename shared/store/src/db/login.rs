//! What a login may do.

use sqlx::Row;

use crate::{Pool, Program, StoreError};

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
