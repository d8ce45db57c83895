// Makes the tables in an empty database, and the stock of 10,000 users.

import { once } from './service/lifecycle.mjs';
import { ITEMS, STOCK_EACH, USERS } from './service/load.mjs';
import { openPool } from './service/postgres.mjs';
import { postgresUrl } from './service/settings.mjs';
import { SCHEMA, STOCK } from './service/sql.mjs';

await once('schema', 'made', async () => {
  const pool = await openPool(postgresUrl(), 1);
  await pool.query(SCHEMA);
  await pool.query(STOCK, [USERS, ITEMS, STOCK_EACH]);
  await pool.query('VACUUM ANALYZE inventory, jobs, ledger');
  await pool.end();
});
