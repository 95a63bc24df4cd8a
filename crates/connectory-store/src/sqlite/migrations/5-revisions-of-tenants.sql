-- A revision is named by its tenant and its number. Both are in `key`, tenant * 2^40 + number, so that the revisions of
-- a tenant are neighbours in the order of their numbers, and a new one is appended. Numbers of a tenant grow by one;
-- those given before this schema are kept, with gaps.
CREATE TABLE revisions_5 (
    key         INTEGER PRIMARY KEY,
    script_name TEXT NOT NULL,
    previous    INTEGER,          -- the number of this connector's revision before this one
    change      INTEGER,          -- the number of the last revision of the same commit; NULL if it is this one
    commit_id   BLOB,             -- random, the same for all revisions of a commit; NULL before this schema
    action      INTEGER NOT NULL CHECK (action BETWEEN 1 AND 4), -- 1 create, 2 update, 3 delete, 4 restore
    changed     TEXT NOT NULL,    -- the parts and members that changed, separated by spaces
    author_kind INTEGER NOT NULL CHECK (author_kind BETWEEN 1 AND 3), -- 1 client, 2 person, 3 operator
    author_id   TEXT NOT NULL,
    author_name TEXT,             -- as it was; NULL where it is not known
    tracking_id BLOB,             -- of the request; NULL before this schema
    created_at  INTEGER NOT NULL,
    format      INTEGER NOT NULL CHECK (format BETWEEN 0 AND 4), -- of the body, see body.rs
    body        ANY NOT NULL,     -- the whole connector; of a deletion, what was deleted
    tenant_id   INTEGER GENERATED ALWAYS AS (key >> 40) VIRTUAL,
    number      INTEGER GENERATED ALWAYS AS (key & 0xffffffffff) VIRTUAL
) STRICT;

INSERT INTO revisions_5 (key, script_name, previous, action, changed, author_kind, author_id, author_name, created_at,
                         format, body)
SELECT (tenant_id << 40) | seq, script_name, previous, instr('create update delete', action) / 7 + 1,
       -- Uploads had the names of files, patches those of members. From now on both have those of members.
       replace(replace(replace(replace(changed, 'source-config.xml', 'sourceConfigXml'), 'source-template.xml',
               'applicationXml'), 'correlation-config.xml', 'correlationConfigXml'), '.properties', ''),
       iif(client_id LIKE 'oidc:%', 2, 1), client_id,
       coalesce((SELECT name FROM clients WHERE clients.id = client_id), iif(client_id LIKE 'oidc:%', substr(client_id, 6), NULL)),
       created_at, iif(typeof(body) = 'text', 0, iif(dictionary IS NULL, 1, 2)), body
FROM revisions WHERE tenant_id <> 0 ORDER BY tenant_id, seq;

DROP TABLE revisions;
ALTER TABLE revisions_5 RENAME TO revisions;

-- Parts of connectors that are larger than 64 KiB, of the revision that changed them. Later revisions name this one.
CREATE TABLE parts (
    key  INTEGER NOT NULL, -- of the revision
    part TEXT NOT NULL,    -- `sourceConfigXml`, `translations/de`
    body BLOB NOT NULL,    -- LZ4 with its length in front
    PRIMARY KEY (key, part)
) STRICT, WITHOUT ROWID;

ALTER TABLE connectors RENAME COLUMN seq TO number;
ALTER TABLE deleted RENAME COLUMN seq TO number;
