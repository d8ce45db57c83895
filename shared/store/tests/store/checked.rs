//! The schema's functions under `plpgsql_check`, which finds what Postgres itself finds only where a statement runs.

use crate::database::Database;

/// What it says of each function: a trigger's is looked at with a table that it watches.
const FINDINGS: &str = "
    SELECT functions.oid::regprocedure || ': ' || finding
    FROM pg_proc AS functions
    JOIN pg_language ON pg_language.oid = prolang AND lanname = 'plpgsql'
    CROSS JOIN LATERAL plpgsql_check_function(
        functions.oid,
        relid => COALESCE((SELECT min(tgrelid::oid) FROM pg_trigger WHERE tgfoid = functions.oid), 0),
        performance_warnings => true, extra_warnings => true
    ) AS finding
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = functions.oid AND deptype = 'e')";

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "Homebrew has no plpgsql_check")]
async fn plpgsql_check_finds_nothing_in_the_functions_but_in_a_wrong_one() {
    let database = Database::new().await;
    database.psql("CREATE EXTENSION plpgsql_check");
    assert_eq!(database.psql(FINDINGS), "");
    database.psql(
        "CREATE FUNCTION wrong() RETURNS bigint LANGUAGE plpgsql AS
         'BEGIN IF false THEN RETURN (SELECT nothing FROM records LIMIT 1); END IF; RETURN 0::bigint; END'",
    );
    let findings = database.psql(FINDINGS);
    assert!(findings.contains("wrong(): ") && findings.contains("\"nothing\" does not exist"), "{findings}");
}
