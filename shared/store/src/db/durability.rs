//! Commits that last.

use sqlx::postgres::PgConnection;

/// Sees to it that a commit that was answered is on disk, whatever the server's default: jobs are deleted from the
/// queue, and accepted ones answered, after a commit. Stricter settings, which wait for replicas, stay.
pub(crate) async fn make_durable(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT set_config('synchronous_commit', 'on', false)
         WHERE current_setting('synchronous_commit') = 'off'"
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}
