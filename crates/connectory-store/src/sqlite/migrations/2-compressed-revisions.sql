-- Bodies are compressed from here on; those that were written before stay JSON texts.
CREATE TABLE revisions_2 (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    script_name TEXT NOT NULL,
    action      TEXT NOT NULL CHECK (action IN ('create', 'update', 'delete')),
    changed     TEXT NOT NULL, -- the members or files that changed, separated by spaces
    client_id   TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    body        ANY NOT NULL   -- the whole connector as JSON, LZ4 with its length in front; of a deletion, what was deleted
) STRICT;

-- A number never comes back, even of a tenant that was deleted.
INSERT INTO sqlite_sequence (name, seq) SELECT 'revisions_2', seq FROM sqlite_sequence WHERE name = 'revisions';
INSERT INTO revisions_2 SELECT * FROM revisions;
DROP TABLE revisions;
ALTER TABLE revisions_2 RENAME TO revisions;
CREATE INDEX revisions_by_connector ON revisions (tenant_id, script_name, seq);
