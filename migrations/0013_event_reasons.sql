-- Why what is told of was done, in the words of who submitted the job. Here and not in `jobs`: this row has a bitmap of its
-- absent columns anyway, so that a job without a reason pays nothing for it.
ALTER TABLE events ADD COLUMN reason text;
