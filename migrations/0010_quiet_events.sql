-- Quiet jobs: their events are recorded as all are, but given to no function.

-- NULL unless the event's job was quiet: so it costs the others nothing.
ALTER TABLE events ADD COLUMN is_quiet boolean CHECK (is_quiet);

-- Whether the replay gives them all the same.
ALTER TABLE function_replays ADD COLUMN include_quiet boolean NOT NULL DEFAULT false;
