-- Texts are compared and sorted as bytes, in every database alike.

CREATE TABLE settings (
    name  text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);

-- The issuer of tokens: a token of another database is refused even if someone copied the signing key.
INSERT INTO settings (name, value) VALUES ('issuer', replace(gen_random_uuid()::text, '-', ''));

CREATE TABLE tenants (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid           text COLLATE "C" NOT NULL UNIQUE,
    name           text COLLATE "C" NOT NULL UNIQUE,
    created_at     bigint NOT NULL, -- milliseconds since 1970-01-01 UTC, as every time here
    max_connectors bigint NOT NULL DEFAULT 1000000,
    max_bytes      bigint           -- of all revisions; NULL where there is no quota
);

CREATE TABLE clients (
    id          text COLLATE "C" PRIMARY KEY,
    tenant_id   bigint NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name        text COLLATE "C" NOT NULL,
    secret_hash text COLLATE "C" NOT NULL, -- argon2id in PHC string format
    level       text COLLATE "C" NOT NULL,
    scopes      text COLLATE "C" NOT NULL, -- separated by spaces
    created_at  bigint NOT NULL
);

CREATE INDEX clients_by_tenant ON clients (tenant_id, name, id);

CREATE TABLE signing_keys (
    id         text COLLATE "C" PRIMARY KEY,
    pem        text COLLATE "C" NOT NULL, -- PKCS #8
    created_at bigint NOT NULL
);

-- The log: one row for each change, appended and never changed. The newest row of a tenant is its head. The primary key
-- is what makes concurrent commits right: two commits cannot have the same number. There is no foreign key here, which
-- every insert would look up and lock.
CREATE TABLE revisions (
    tenant_id   bigint NOT NULL,
    number      bigint NOT NULL,      -- grows by one in the tenant, in the order of commits
    script_name text COLLATE "C" NOT NULL,
    previous    bigint,               -- the number of this connector's revision before this one
    change      bigint NOT NULL,      -- the number of the last revision of the same commit
    commit_id   uuid NOT NULL,        -- random, the same for all revisions of a commit
    action      bigint NOT NULL CHECK (action BETWEEN 1 AND 4), -- 1 create, 2 update, 3 delete, 4 restore
    changed     text COLLATE "C" NOT NULL, -- the parts and members that changed, separated by spaces
    author_kind bigint NOT NULL CHECK (author_kind BETWEEN 1 AND 3), -- 1 client, 2 person, 3 operator
    author_id   text COLLATE "C" NOT NULL,
    author_name text COLLATE "C",     -- as it was; NULL where it is not known
    tracking_id uuid,                 -- of the request
    created_at  bigint NOT NULL,
    connectors  bigint NOT NULL,      -- how many connectors the tenant has after this revision
    bytes       bigint NOT NULL,      -- how many bytes all revisions of the tenant up to this one have
    format      bigint NOT NULL CHECK (format BETWEEN 3 AND 4), -- of the body, see body.rs
    body        bytea NOT NULL,       -- the whole connector; of a deletion, what was deleted
    PRIMARY KEY (tenant_id, number)
);

-- Bodies are compressed already.
ALTER TABLE revisions ALTER COLUMN body SET STORAGE EXTERNAL;

-- Parts of connectors that are larger than 64 KiB, of the revision that changed them. Later revisions name this one.
CREATE TABLE parts (
    tenant_id bigint NOT NULL,
    number    bigint NOT NULL,
    part      text COLLATE "C" NOT NULL, -- `sourceConfigXml`, `translations/de`
    body      bytea NOT NULL,            -- LZ4 with its length in front
    PRIMARY KEY (tenant_id, number, part)
);

ALTER TABLE parts ALTER COLUMN body SET STORAGE EXTERNAL;

-- What exists now, so that a load reads summaries and no bodies. An update changes no indexed column, and the pages
-- have room for it.
CREATE TABLE connectors (
    tenant_id   bigint NOT NULL,
    script_name text COLLATE "C" NOT NULL,
    name_key    text COLLATE "C" NOT NULL,
    number      bigint NOT NULL,      -- of its newest revision
    summary     text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, script_name)
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX connectors_by_name ON connectors (tenant_id, name_key);

-- Where the history of a connector ends that does not exist now.
CREATE TABLE deleted (
    tenant_id   bigint NOT NULL,
    script_name text COLLATE "C" NOT NULL,
    number      bigint NOT NULL,      -- of its newest revision
    PRIMARY KEY (tenant_id, script_name)
);

-- Sessions of the console. The id of a session is not stored, so nothing here lets anyone in.
CREATE TABLE sessions (
    hash        bytea PRIMARY KEY,    -- SHA-256 of the id
    tenant_id   bigint NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    author_kind bigint NOT NULL CHECK (author_kind BETWEEN 1 AND 2), -- 1 client, 2 person
    author_id   text COLLATE "C" NOT NULL,
    author_name text COLLATE "C",
    level       text COLLATE "C",     -- of a person; a client has those of its row
    scopes      text COLLATE "C",
    created_at  bigint NOT NULL,
    used_at     bigint NOT NULL
);

CREATE INDEX sessions_by_author ON sessions (tenant_id, author_kind, author_id, used_at);

-- Changes of access, and sign-ins to the console.
CREATE TABLE access_events (
    tenant_id   bigint NOT NULL,
    number      bigint NOT NULL,
    action      bigint NOT NULL CHECK (action BETWEEN 1 AND 6), -- see `AccessAction`
    subject     text COLLATE "C",     -- the client or the quotas that changed
    author_kind bigint NOT NULL CHECK (author_kind BETWEEN 1 AND 3),
    author_id   text COLLATE "C" NOT NULL,
    author_name text COLLATE "C",
    address     text COLLATE "C",     -- of the peer, or the one that a trusted proxy forwarded; NULL for an operator
    tracking_id uuid,
    created_at  bigint NOT NULL,
    PRIMARY KEY (tenant_id, number)
);

-- The oldest sign-ins and sign-outs are deleted.
CREATE INDEX sign_ins ON access_events (tenant_id, number) WHERE action IN (1, 6);

-- Refused sign-ins and token requests of known clients. The oldest are deleted.
CREATE TABLE refused_sign_ins (
    tenant_id bigint NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    minute    bigint NOT NULL,        -- minutes since 1970-01-01 UTC
    client_id text COLLATE "C" NOT NULL,
    address   text COLLATE "C" NOT NULL,
    count     bigint NOT NULL,
    PRIMARY KEY (tenant_id, minute, client_id, address)
);

-- Requests that had an `Idempotency-Key`, each noted by its commit. A day later they are removed.
CREATE TABLE once (
    tenant_id   bigint NOT NULL,
    key         bytea NOT NULL,       -- SHA-256 of the client and its key
    fingerprint bytea NOT NULL,       -- SHA-256 of the request
    first       bigint NOT NULL,      -- the number of the first revision of the commit
    last        bigint NOT NULL,      -- the number of the last one
    created_at  bigint NOT NULL,
    PRIMARY KEY (tenant_id, key)
);

-- The oldest are removed first.
CREATE INDEX once_by_age ON once (tenant_id, last);
