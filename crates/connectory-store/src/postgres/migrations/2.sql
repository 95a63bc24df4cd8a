-- What nodes ask all the time. A connection plans the statements of a function once, and other statements each time; a
-- statement that has a name would be planned once too, but a pooler does not keep it. One plan serves all values, and it
-- uses indexes, whatever is known of the sizes of the tables when it is made.

-- The head of each tenant, the commit at the number that a node knows of it, and the timeline of the server. A standby
-- has none.
CREATE FUNCTION heads(tenants bigint[], numbers bigint[])
    RETURNS TABLE (tenant bigint, head_number bigint, head_commit_id uuid, known_commit_id uuid, timeline text)
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
        SELECT wanted.id, head.number, head.commit_id, known.commit_id,
               CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END
            FROM unnest(tenants, numbers) AS wanted (id, number)
            LEFT JOIN LATERAL (SELECT r.number, r.commit_id FROM revisions AS r WHERE r.tenant_id = wanted.id
                                   ORDER BY r.number DESC LIMIT 1) AS head ON true
            LEFT JOIN revisions AS known ON known.tenant_id = wanted.id AND known.number = wanted.number;
END $$;

-- The first revisions of a tenant from a number on, or else the newest one. Each has the summary of its connector if it
-- is that connector's newest revision and the connector exists.
CREATE FUNCTION recent(tenant bigint, from_number bigint, most bigint)
    RETURNS TABLE (number bigint, commit_id uuid, script_name text, summary text, connectors bigint, bytes bigint)
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
        SELECT r.number, r.commit_id, r.script_name,
               (SELECT c.summary FROM connectors AS c
                    WHERE c.tenant_id = tenant AND c.script_name = r.script_name AND c.number = r.number),
               r.connectors, r.bytes
            FROM revisions AS r
            WHERE r.tenant_id = tenant AND r.number >= coalesce(
                from_number, (SELECT max(m.number) FROM revisions AS m WHERE m.tenant_id = tenant))
            ORDER BY r.number LIMIT most;
END $$;

-- The connectors that have one of these script names or names, and those of the script names that were deleted.
CREATE FUNCTION named(tenant bigint, script_names text[], name_keys text[])
    RETURNS TABLE (script_name text, name_key text, number bigint)
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
        SELECT c.script_name, c.name_key, c.number FROM connectors AS c
            WHERE c.tenant_id = tenant AND c.script_name = ANY (script_names)
        UNION
        SELECT c.script_name, c.name_key, c.number FROM connectors AS c
            WHERE c.tenant_id = tenant AND c.name_key = ANY (name_keys)
        UNION ALL
        SELECT d.script_name, NULL, d.number FROM deleted AS d
            WHERE d.tenant_id = tenant AND d.script_name = ANY (script_names);
END $$;

-- Writes the newest revisions of connectors that exist.
CREATE FUNCTION put_connectors(tenant bigint, script_names text[], name_keys text[], numbers bigint[], summaries text[])
    RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO connectors (tenant_id, script_name, name_key, number, summary)
        SELECT tenant, * FROM unnest(script_names, name_keys, numbers, summaries)
        ON CONFLICT (tenant_id, script_name) DO UPDATE SET number = excluded.number, summary = excluded.summary;
END $$;

-- Appends revisions. The arrays are the columns in the order of the table.
CREATE FUNCTION append_revisions(
        tenant bigint, at bigint, numbers bigint[], script_names text[], previous bigint[], changes bigint[],
        commit_ids uuid[], actions bigint[], changed text[], author_kinds bigint[], author_ids text[],
        author_names text[], tracking_ids uuid[], connectors bigint[], bytes bigint[], formats bigint[], bodies bytea[])
    RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO revisions (tenant_id, created_at, number, script_name, previous, change, commit_id, action, changed,
                           author_kind, author_id, author_name, tracking_id, connectors, bytes, format, body)
        SELECT tenant, at, * FROM unnest(numbers, script_names, previous, changes, commit_ids, actions, changed,
                                         author_kinds, author_ids, author_names, tracking_ids, connectors, bytes, formats,
                                         bodies);
END $$;
