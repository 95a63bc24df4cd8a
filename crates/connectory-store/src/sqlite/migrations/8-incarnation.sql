-- Another one for each database, and for each restore of a backup: what refers to the history of one does not fit another.
INSERT INTO settings (name, value) VALUES ('incarnation', lower(hex(randomblob(16))));
