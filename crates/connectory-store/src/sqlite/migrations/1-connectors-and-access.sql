CREATE TABLE tenants (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL -- milliseconds since 1970-01-01 UTC, as every time here
) STRICT;

CREATE TABLE clients (
    id          TEXT PRIMARY KEY,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    secret_hash TEXT NOT NULL, -- argon2id in PHC string format
    level       TEXT NOT NULL,
    scopes      TEXT NOT NULL, -- separated by spaces
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX clients_by_tenant ON clients (tenant_id);

CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    pem        TEXT NOT NULL, -- PKCS #8
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every change ever made. The sequence number never comes back, so it also names what a cache holds.
CREATE TABLE revisions (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    script_name TEXT NOT NULL,
    action      TEXT NOT NULL CHECK (action IN ('create', 'update', 'delete')),
    changed     TEXT NOT NULL, -- the members or files that changed, separated by spaces
    client_id   TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    body        TEXT NOT NULL  -- the whole connector as JSON; of a deletion, what was deleted
) STRICT;

CREATE INDEX revisions_by_connector ON revisions (tenant_id, script_name, seq);

-- What exists now: a read of `revisions`, kept so that a start reads summaries instead of documents.
CREATE TABLE connectors (
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    script_name TEXT NOT NULL,
    name_key    TEXT NOT NULL, -- the name in lower case
    seq         INTEGER NOT NULL, -- of its newest revision
    summary     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, name_key), -- the order in which a start reads them
    UNIQUE (tenant_id, script_name)
) STRICT, WITHOUT ROWID;
