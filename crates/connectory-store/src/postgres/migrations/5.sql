-- How many requests of a client to an API version all nodes together may still admit in the current window. The rows are
-- written often and are worth nothing after a window, so they are not in the log of the database: after a crash, and on a
-- standby that took over, the table is empty. There is room in the pages, so that an update touches no index.
CREATE UNLOGGED TABLE rate_windows (
    tenant_id bigint NOT NULL,
    client_id text COLLATE "C" NOT NULL,
    api       text COLLATE "C" NOT NULL, -- the version, by its path
    number    bigint NOT NULL,           -- of the window: the time of the database divided by the length
    taken     bigint NOT NULL,           -- how many permits nodes took in the window
    granted   bigint NOT NULL,           -- how many of them the last one got
    PRIMARY KEY (client_id, api)
) WITH (fillfactor = 50);

CREATE INDEX rate_windows_by_tenant ON rate_windows (tenant_id);

-- Takes permits for the current window: as many as are asked for, or as are left. The time is read once, so a statement that
-- waited for another one may find a row of the next window, and takes from that. Rows that are further ahead were written
-- when the clock was wrong. The rows are locked in one order, so two nodes do not wait for each other in a circle.
CREATE FUNCTION take_permits(tenants bigint[], clients text[], apis text[], asked bigint[], most bigint, seconds bigint)
    RETURNS TABLE (client text, api text, granted bigint, number bigint, left_ms bigint)
    LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
    current_number bigint := ms / (seconds * 1000);
BEGIN
    RETURN QUERY
        INSERT INTO rate_windows AS r (tenant_id, client_id, api, number, taken, granted)
            SELECT w.tenant, w.client, w.api, current_number, least(w.count, most), least(w.count, most)
                FROM unnest(tenants, clients, apis, asked) AS w (tenant, client, api, count) ORDER BY w.client, w.api
            ON CONFLICT (client_id, api) DO UPDATE SET (number, taken, granted) = (
                SELECT CASE WHEN is_same THEN r.number ELSE excluded.number END,
                       CASE WHEN is_same THEN r.taken ELSE 0 END + given, given
                    FROM (SELECT r.number BETWEEN excluded.number AND excluded.number + 1) AS a (is_same),
                         LATERAL (SELECT CASE WHEN is_same THEN greatest(least(excluded.taken, most - r.taken), 0)
                                              ELSE excluded.taken END) AS b (given))
            RETURNING r.client_id, r.api, r.granted, r.number, (r.number + 1) * seconds * 1000 - ms;
END $$;

-- Who does the work that one node does. A node that has a lease renews it. When the lease has ended, another node may take
-- it, with the next epoch. What is done under a lease is written only if holder and epoch are still the same.
CREATE TABLE leases (
    work   text COLLATE "C" PRIMARY KEY,
    holder uuid NOT NULL,
    epoch  bigint NOT NULL,       -- grows by one whenever another holder takes the lease
    until  timestamptz NOT NULL   -- by the clock of the database
);
