-- Each program has a login of its own, with what it needs and no more (`satchel migrate` has made the roles before): the API
-- makes no item, no outcome and no event, but by functions that act as the owner; a worker makes no job, no catalogue and no
-- key. A test holds all this against what a database says (shared/store/tests/store/roles.rs).

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION set_queue_paused, uid_of, claim_jobs, undecided_body, forget_jobs, publish_catalogue, change_rules,
    take_back_journaled, add_events, forget_events, let_next_go, choose_parked_jobs, archive_parked_jobs, add_rejections,
    retry_parked_jobs, remove_parked_jobs, expire_parked_jobs, withdraw_job, cancel_runs, retry_run, redeliver_run, give_up_runs,
    forget_runs, forget_paces, tell_webhook_ping, find_holdings, apply_batch
    FROM PUBLIC;

-- What both do.
GRANT EXECUTE ON FUNCTION forget_jobs, forget_events, expire_parked_jobs, forget_runs, give_up_runs, forget_paces, cancel_runs
    TO satchel_api, satchel_worker;
GRANT SELECT ON queue_state, user_names, users, holdings, records, rule_grants, catalogue_versions, live_workers, shard_leases,
    shard_counters, shard_activity, queue_watermarks, event_cursors, journal, parked_jobs, event_batches, events, functions,
    function_runs, function_steps, function_replays, function_replay_shards, webhook_endpoints
    TO satchel_api, satchel_worker;

-- What the API does.
GRANT EXECUTE ON FUNCTION retry_parked_jobs, remove_parked_jobs, withdraw_job, take_back_journaled, set_queue_paused,
    publish_catalogue, change_rules, tell_webhook_ping, retry_run, redeliver_run
    TO satchel_api;
GRANT SELECT ON items, api_keys, operator_actions, readiness TO satchel_api;
GRANT SELECT (job_id) ON archived_jobs, withdrawals TO satchel_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_replicas TO satchel_api;
GRANT INSERT (job_id, user_id, shard, seq, type, payload_hash, actor, submitted_at, not_before, envelope_version, body, mac,
              accepted_at) ON journal TO satchel_api;
GRANT USAGE ON SEQUENCE journal_seq TO satchel_api;
GRANT INSERT (actor, request_id, action, job_id, detail) ON operator_actions TO satchel_api;
GRANT UPDATE (checked_at) ON readiness TO satchel_api;
GRANT UPDATE (is_paused, pause_changed_at, pause_changed_by, pause_reason) ON functions TO satchel_api;
-- To lock the runs that it ends (Postgres has no other right for that); it changes them by functions.
GRANT UPDATE (is_wanted) ON function_runs TO satchel_api;
GRANT INSERT (replay_id, function_id, event_name, user_id, from_time, to_time, asked_by, include_quiet)
    ON function_replays TO satchel_api;
GRANT INSERT ON function_replay_shards TO satchel_api;
GRANT DELETE, INSERT (endpoint_id, url, events, description, is_enabled, secret),
    UPDATE (url, events, description, is_enabled, disabled_reason, secret, previous_secret, previous_secret_until,
            consecutive_failures, failing_since, open_until, updated_at) ON webhook_endpoints TO satchel_api;

-- What a worker does.
GRANT EXECUTE ON FUNCTION find_holdings, apply_batch, add_events, claim_jobs, uid_of, let_next_go TO satchel_worker;
GRANT INSERT ON rules_gate TO satchel_worker;
GRANT INSERT (user_id, shard) ON user_names TO satchel_worker;
GRANT INSERT (shard, uid), UPDATE (version, hash, mac, decided_at, is_blocked) ON users TO satchel_worker;
GRANT INSERT, UPDATE (quantity, granted_total, used_total, last_granted_at, last_used_at, updated_at)
    ON holdings TO satchel_worker;
GRANT INSERT ON records, rule_grants, quarantined_entries TO satchel_worker;
GRANT SELECT, INSERT ON job_claims TO satchel_worker;
GRANT DELETE, UPDATE (refed_at) ON journal TO satchel_worker;
GRANT DELETE, INSERT, UPDATE (state, attempts, tries, failures, next_attempt_at, parked_at) ON parked_jobs TO satchel_worker;
GRANT SELECT, DELETE, INSERT (worker_id, expires_at, ttl_ms), UPDATE (expires_at, ttl_ms, alive_since)
    ON workers TO satchel_worker;
GRANT UPDATE (owner, epoch) ON shard_leases TO satchel_worker;
GRANT UPDATE (active, reported_by, sampled, sampled_at, per_second) ON shard_activity TO satchel_worker;
GRANT UPDATE (marked_at, waiting_since, began_anew_at, lost_since) ON queue_watermarks TO satchel_worker;
GRANT UPDATE (dispatched) ON event_cursors TO satchel_worker;
GRANT INSERT (function_id, description, seen_at), UPDATE (description, seen_at) ON functions TO satchel_worker;
GRANT INSERT (run_id, function_id, target, shard, event_seq, user_id, event_name, replay_id, is_ordered, status),
    UPDATE (status, epoch, worker_id, attempts, tries, failures, due_at, finished_at) ON function_runs TO satchel_worker;
GRANT INSERT (run_id, shard, step_hash, nth, step_id, result) ON function_steps TO satchel_worker;
GRANT SELECT, INSERT, UPDATE (spent_until) ON function_paces TO satchel_worker;
GRANT DELETE, UPDATE (next_seq) ON function_replay_shards TO satchel_worker;
GRANT UPDATE (is_enabled, disabled_reason, consecutive_failures, failing_since, open_until)
    ON webhook_endpoints TO satchel_worker;
