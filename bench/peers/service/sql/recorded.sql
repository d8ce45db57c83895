SELECT status, item_id, delta, balance FROM jobs LEFT JOIN ledger USING (user_id, job_id)
WHERE job_id = $1 ORDER BY seq
