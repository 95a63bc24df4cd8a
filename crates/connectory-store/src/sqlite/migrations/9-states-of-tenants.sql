-- A suspended tenant can do nothing until it is resumed. A deleted one has a name that nobody can give, and its rows are
-- removed in steps. Its own row stays, so that its key is never used again.
ALTER TABLE tenants ADD COLUMN suspended_at INTEGER;
ALTER TABLE tenants ADD COLUMN deleted_at INTEGER;
ALTER TABLE tenants ADD COLUMN removed_at INTEGER; -- when the last row of a deleted tenant was removed

-- There are more actions.
CREATE TABLE events_to_be (
    key         INTEGER PRIMARY KEY,
    action      INTEGER NOT NULL CHECK (action BETWEEN 1 AND 9), -- see `AccessAction`
    subject     TEXT,             -- the client or the quotas that changed, or the names of a tenant
    author_kind INTEGER NOT NULL CHECK (author_kind BETWEEN 1 AND 3),
    author_id   TEXT NOT NULL,
    author_name TEXT,
    address     TEXT,             -- of the peer, or the one that a trusted proxy forwarded; NULL for an operator
    tracking_id BLOB,
    created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO events_to_be SELECT * FROM access_events;
DROP TABLE access_events;
ALTER TABLE events_to_be RENAME TO access_events;
CREATE INDEX sign_ins ON access_events (key) WHERE action IN (1, 6);
