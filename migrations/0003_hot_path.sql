-- What every job pays for.

-- A job is looked up by its id alone. The index in the order of users cost each job more than its row did.
ALTER TABLE jobs DROP CONSTRAINT jobs_pkey;
ALTER TABLE jobs DROP CONSTRAINT jobs_job_id_key;
-- An idempotency key names one job whoever the user is.
ALTER TABLE jobs ADD PRIMARY KEY (job_id);
