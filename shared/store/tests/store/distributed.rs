//! Whether the schema is one that a Postgres that distributes tables by a column could take (docs/design/scale.md, "Keys").

use crate::database::Database;

/// Tables that do not grow with players: the same on every node, or on one.
const WITHOUT_SHARD: [&str; 13] = [
    "api_keys",
    "api_replicas",
    "catalogue_versions",
    "function_paces",
    "function_replays",
    "functions",
    "items",
    "operator_actions",
    "queue_state",
    "readiness",
    "rules_gate",
    "webhook_endpoints",
    "workers",
];

const TABLES_WITHOUT_SHARD: &str = "
    SELECT relname FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname <> '_sqlx_migrations'
      AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'shard')
    ORDER BY relname COLLATE \"C\"";

/// Of job ids that lead to no shard: it keeps unique what no shard can, and would be distributed by its key.
const CLAIMS: &str = "job_claims_pkey";

/// Keys of the others that two nodes could not keep by themselves.
const KEYS_WITHOUT_SHARD: &str = "
    SELECT indexrelid::regclass
    FROM pg_index
    JOIN pg_class AS tables ON tables.oid = indrelid AND relnamespace = 'public'::regnamespace
    JOIN pg_attribute ON attrelid = indrelid AND attname = 'shard'
    WHERE indisunique AND NOT attnum = ANY (indkey::smallint[])
    ORDER BY indexrelid";

#[tokio::test]
async fn every_key_of_what_grows_with_players_has_the_shard() {
    let database = Database::new().await;
    assert_eq!(database.psql(TABLES_WITHOUT_SHARD).lines().collect::<Vec<_>>(), WITHOUT_SHARD);
    assert_eq!(database.psql(KEYS_WITHOUT_SHARD), CLAIMS);
    database.psql("CREATE UNIQUE INDEX wrong ON holdings (uid, item_id)");
    assert_eq!(database.psql(KEYS_WITHOUT_SHARD), format!("{CLAIMS}\nwrong"));
}
