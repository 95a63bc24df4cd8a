CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The issuer of tokens: a token of another database is refused even if someone copied the signing key.
INSERT INTO settings (name, value) VALUES ('issuer', lower(hex(randomblob(16))));

ALTER TABLE tenants ADD COLUMN max_connectors INTEGER NOT NULL DEFAULT 1000000;
ALTER TABLE tenants ADD COLUMN max_bytes INTEGER; -- of all revisions; NULL where there is no quota

-- Lists of clients are read in this order, a page at a time.
DROP INDEX clients_by_tenant;
CREATE INDEX clients_by_tenant ON clients (tenant_id, name, id);

-- Sessions of the console. The id of a session is not stored, so nothing here lets anyone in.
CREATE TABLE sessions (
    hash        BLOB PRIMARY KEY, -- SHA-256 of the id
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    author_kind INTEGER NOT NULL CHECK (author_kind BETWEEN 1 AND 2), -- 1 client, 2 person
    author_id   TEXT NOT NULL,
    author_name TEXT,
    level       TEXT,             -- of a person; a client has those of its row
    scopes      TEXT,
    created_at  INTEGER NOT NULL,
    used_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_author ON sessions (tenant_id, author_kind, author_id, used_at);

-- Changes of access, and sign-ins to the console. `key` is tenant * 2^40 + number, as in `revisions`.
CREATE TABLE access_events (
    key         INTEGER PRIMARY KEY,
    action      INTEGER NOT NULL CHECK (action BETWEEN 1 AND 6), -- see `AccessAction`
    subject     TEXT,             -- the client or the quotas that changed
    author_kind INTEGER NOT NULL CHECK (author_kind BETWEEN 1 AND 3),
    author_id   TEXT NOT NULL,
    author_name TEXT,
    address     TEXT,             -- of the peer, or the one that a trusted proxy forwarded; NULL for an operator
    tracking_id BLOB,
    created_at  INTEGER NOT NULL
) STRICT;

-- The oldest sign-ins and sign-outs are deleted.
CREATE INDEX sign_ins ON access_events (key) WHERE action IN (1, 6);

-- Refused sign-ins and token requests of known clients. The oldest are deleted.
CREATE TABLE refused_sign_ins (
    tenant_id INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    minute    INTEGER NOT NULL,   -- minutes since 1970-01-01 UTC
    client_id TEXT NOT NULL,
    address   TEXT NOT NULL,
    count     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, minute, client_id, address)
) STRICT, WITHOUT ROWID;
