-- The deleted connectors of a tenant are listed by the numbers of their deletions.
CREATE INDEX IF NOT EXISTS deleted_by_number ON deleted (tenant_id, number);
-- So are those whose script name another connector was given since: its first revision names the deletion.
CREATE INDEX IF NOT EXISTS created_again ON revisions (tenant_id, previous) WHERE action = 1 AND previous IS NOT NULL;
