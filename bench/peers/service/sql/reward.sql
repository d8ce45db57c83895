WITH job AS (
    INSERT INTO jobs (job_id, user_id, status) VALUES ($1, $2, 'applied')
), item AS (
    SELECT item_id, quantity FROM unnest($3::text[], $4::bigint[]) AS item (item_id, quantity) ORDER BY item_id
), held AS (
    INSERT INTO inventory AS held (user_id, item_id, quantity)
    SELECT $2, item_id, quantity FROM item
    ON CONFLICT (user_id, item_id) DO UPDATE SET quantity = held.quantity + excluded.quantity
    RETURNING item_id, quantity
)
INSERT INTO ledger (user_id, job_id, item_id, delta, balance)
SELECT $2, $1, item_id, item.quantity, held.quantity FROM held JOIN item USING (item_id)
RETURNING item_id, delta, balance
