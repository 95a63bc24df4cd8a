-- How many bytes retention has removed. `bytes` of a revision says what all revisions had when they were written; less this,
-- it is what they have now. Only retention changes it, so it is not updated by commits.
ALTER TABLE tenants ADD COLUMN removed_bytes bigint NOT NULL DEFAULT 0;
