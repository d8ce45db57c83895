//! Jobs that make Postgres fail: no valid one is known to, so a trigger of the owner's does it.

use serde_json::Value;

use crate::Satchel;

/// What Postgres says of them.
pub const MESSAGE: &str = "this job is poison";

/// The job, made to fail every time once [`lay`] was called, with an error that lies in the job.
pub fn poisonous(job: Value) -> Value {
    failing_with("P0001", job)
}

/// The job, made to fail with this SQLSTATE (PostgreSQL manual, appendix A) once [`lay`] was called.
pub fn failing_with(sqlstate: &str, mut job: Value) -> Value {
    job["reason"] = format!("poison {sqlstate}").into();
    job
}

/// From now on no effect of such a job can be written.
pub fn lay(satchel: &Satchel) {
    satchel.database.owner.run(&format!(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = substring(NEW.body FROM '\"reason\":\"poison ([0-9A-Z]*)');
         END
         $$;
         CREATE TRIGGER poison BEFORE INSERT ON records
             FOR EACH ROW WHEN (NEW.count > 0 AND NEW.body LIKE '%\"reason\":\"poison %') EXECUTE FUNCTION poison();"
    ));
}

/// These jobs are jobs like others again.
pub fn clear(satchel: &Satchel) {
    satchel.database.owner.run("DROP TRIGGER poison ON records; DROP FUNCTION poison()");
}
