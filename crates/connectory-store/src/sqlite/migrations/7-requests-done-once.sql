-- Requests that had an `Idempotency-Key`, each noted by its commit. A day later they are removed.
CREATE TABLE once (
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    key         BLOB NOT NULL,    -- SHA-256 of the client and its key
    fingerprint BLOB NOT NULL,    -- SHA-256 of the request
    first       INTEGER NOT NULL, -- the number of the first revision of the commit
    last        INTEGER NOT NULL, -- the number of the last one
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key)
) STRICT, WITHOUT ROWID;

-- The oldest are removed first.
CREATE INDEX once_by_age ON once (tenant_id, last);
