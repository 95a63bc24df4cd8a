-- The dictionary that a body is compressed with; NULL for none, which is every body until here.
ALTER TABLE revisions ADD COLUMN dictionary INTEGER;
