WITH held AS (
    UPDATE inventory SET quantity = quantity - $4::bigint
    WHERE user_id = $2 AND item_id = $3 AND quantity >= $4::bigint
    RETURNING quantity
), job AS (
    INSERT INTO jobs (job_id, user_id, status)
    SELECT $1, $2, CASE WHEN EXISTS (SELECT FROM held) THEN 'applied' ELSE 'rejected' END
)
INSERT INTO ledger (user_id, job_id, item_id, delta, balance)
SELECT $2, $1, $3, -$4::bigint, quantity FROM held
RETURNING item_id, delta, balance
