-- A revision names the one before it. A create then writes one tree less than with an index of revisions by connector.
-- There is no foreign key here, which every insert would look up: nobody writes to a tenant while it is deleted.
CREATE TABLE revisions_3 (
    seq         INTEGER PRIMARY KEY, -- given by the program; it never comes back
    tenant_id   INTEGER NOT NULL,
    script_name TEXT NOT NULL,
    previous    INTEGER,       -- the revision of this connector before this one
    action      TEXT NOT NULL CHECK (action IN ('create', 'update', 'delete')),
    changed     TEXT NOT NULL, -- the members or files that changed, separated by spaces
    client_id   TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    body        ANY NOT NULL   -- the whole connector as JSON, LZ4 with its length in front; of a deletion, what was deleted
) STRICT;

INSERT INTO revisions_3
SELECT seq, tenant_id, script_name,
       (SELECT max(earlier.seq) FROM revisions AS earlier
        WHERE earlier.tenant_id = revisions.tenant_id AND earlier.script_name = revisions.script_name
          AND earlier.seq < revisions.seq),
       action, changed, client_id, created_at, body
FROM revisions ORDER BY seq;

-- Where the history of a connector ends that does not exist now; it goes on if one of its name is created.
CREATE TABLE deleted (
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    script_name TEXT NOT NULL,
    seq         INTEGER NOT NULL, -- of its newest revision
    PRIMARY KEY (tenant_id, script_name)
) STRICT, WITHOUT ROWID;

INSERT INTO deleted
SELECT tenant_id, script_name, max(seq) FROM revisions
WHERE NOT EXISTS (SELECT 1 FROM connectors
                  WHERE connectors.tenant_id = revisions.tenant_id AND connectors.script_name = revisions.script_name)
GROUP BY tenant_id, script_name;

-- A number of a tenant that was deleted does not come back either: an empty revision of no tenant keeps it.
INSERT INTO revisions_3
SELECT seq, 0, '', NULL, 'delete', '', '', 0, '' FROM sqlite_sequence
WHERE name = 'revisions' AND seq > (SELECT coalesce(max(seq), 0) FROM revisions);

DROP TABLE revisions;
ALTER TABLE revisions_3 RENAME TO revisions;
