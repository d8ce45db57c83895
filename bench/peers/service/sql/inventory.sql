SELECT item_id AS "itemId", quantity FROM inventory
WHERE user_id = $1 AND quantity > 0 ORDER BY item_id
