-- Which installation this database is of. Its queue says the same: two that share one, by a mistake, take nothing of each other.
ALTER TABLE queue_state ADD COLUMN installation_id uuid NOT NULL DEFAULT gen_random_uuid();
