-- A suspended tenant can do nothing until it is resumed. A deleted one has a name that nobody can give, and its rows are
-- removed in steps. Its own row stays, so that its key is never used again.
ALTER TABLE tenants ADD COLUMN IF NOT EXISTS suspended_at bigint, ADD COLUMN IF NOT EXISTS deleted_at bigint,
    ADD COLUMN IF NOT EXISTS removed_at bigint; -- when the last row of a deleted tenant was removed

-- There are more actions. Older servers cannot read them, so they are written when the update is finished.
ALTER TABLE access_events DROP CONSTRAINT access_events_action_check,
    ADD CONSTRAINT access_events_action_check CHECK (action BETWEEN 1 AND 9) NOT VALID;
