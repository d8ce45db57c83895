// What a job does, and what a user holds.

import { INVENTORY, RECORDED, REWARD, USE } from './sql.mjs';

const UNIQUE_VIOLATION = '23505';

const entry = (row) => ({ itemId: row.item_id, quantity: Math.abs(row.delta), balance: row.balance });

function outcome(job, rows) {
  if (rows.length === 0) return { status: 'rejected', result: { code: 'insufficient_quantity', itemId: job.itemId } };
  if (job.type === 'use_item') return { status: 'applied', result: { consumed: entry(rows[0]) } };
  return { status: 'applied', result: { granted: rows.map(entry) } };
}

function queryOf(job) {
  if (job.type === 'use_item') return { ...USE, values: [job.jobId, job.userId, job.itemId, job.quantity] };
  const items = job.items.map((item) => item.itemId);
  return { ...REWARD, values: [job.jobId, job.userId, items, job.items.map((item) => item.quantity)] };
}

/** Applies a job once, however often it is delivered, and says what came of it. */
export async function apply(pool, job) {
  const query = queryOf(job);
  try {
    return outcome(job, (await pool.query(query)).rows);
  } catch (error) {
    if (error.code !== UNIQUE_VIOLATION || error.constraint !== 'jobs_pkey') throw error;
    const { rows } = await pool.query({ ...RECORDED, values: [job.jobId] });
    return outcome(job, rows.filter((row) => row.status === 'applied'));
  }
}

/** What a user holds, by item. */
export async function inventory(pool, userId) {
  return (await pool.query({ ...INVENTORY, values: [userId] })).rows;
}
