-- Which worker said how many jobs of a shard are active. One that was killed says no more, so that what it said last
-- counts only until another one has the shard.
ALTER TABLE shard_activity ADD COLUMN reported_by uuid;
GRANT UPDATE (reported_by) ON shard_activity TO satchel_app;
