-- One current, typed row per natural key, made from raw by the cleaning rules. A test holds the tables and the declarations
-- equal. Key columns are compared byte by byte (collate "C"): the same order on every server, and faster to sort. The
-- indexes on _build serve incremental builds: rows of the first build are found by reading everything anyway.
comment on schema staging is 'Silver, cleaned: one current row per natural key. flags = soft problems; quality_score = 100 - 10 per flag; _drop_id, _line = the newest record that says so; _build = the build that last changed the content.';
