-- Another one for each database, and for each restore of a backup: what refers to the history of one does not fit another.
INSERT INTO settings (name, value) VALUES ('incarnation', replace(gen_random_uuid()::text, '-', ''));

-- A backup of an old SQLite database has bodies of the first formats. The rows that there are need no check. Revisions
-- without a commit have the id of zeros.
ALTER TABLE revisions DROP CONSTRAINT revisions_format_check,
    ADD CONSTRAINT revisions_format_check CHECK (format BETWEEN 0 AND 4) NOT VALID;
