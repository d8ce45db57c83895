-- Times are such as programs can read: infinity is none, nor is what lies beyond all calendars. One check for each table, so
-- that rows of jobs pay for one. (`last_event_at` begins at -infinity, and is read by nobody.) A table that comes later brings
-- its own.
DO $$
DECLARE
    place record;
BEGIN
    FOR place IN
        SELECT columns.table_name,
               string_agg(
                   format('%I BETWEEN ''4000-01-01 00:00:00+00 BC'' AND ''11000-01-01 00:00:00+00''', column_name), ' AND '
                   ORDER BY ordinal_position
               ) AS readable
        FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name NOT LIKE '\_sqlx%'
          AND data_type = 'timestamp with time zone' AND column_name <> 'last_event_at'
        GROUP BY columns.table_name
    LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT readable_times CHECK (%s)', place.table_name, place.readable);
    END LOOP;
END
$$;
