-- What each column of the ledger means, where state_01 and state_03 leave it unsaid; they feed the data dictionary.
-- State: only ever migrated forward (a later state_NN file), never dropped.

comment on column etl.migrations.file is 'name of the state_NN file';
comment on column etl.migrations.applied_at is 'when it was applied here';

comment on column etl.schemas.schema is 'name of the derived schema';
comment on column etl.schemas.digest is 'sha256 of the tables_NN file';
comment on column etl.schemas.relations is 'the tables and views it made: when one is gone, the schema is made anew';
comment on column etl.schemas.applied_at is 'when the schema was made';

comment on column etl.foreign_keys.table_name is 'the table that refers, with its schema';
comment on column etl.foreign_keys.name is 'name of the constraint';
comment on column etl.foreign_keys.definition is 'as PostgreSQL writes it: FOREIGN KEY (...) REFERENCES ...';

comment on column etl.runs.run_id is 'when it began, and six random digits';
comment on column etl.runs.started_at is 'when it first wrote something';
comment on column etl.runs.ended_at is 'when it last wrote something';
comment on column etl.runs.status is 'running, ok, failed or unsettled';

comment on column etl.drops.drop_id is 'counts up; within one scan in the order of paths';
comment on column etl.drops.dataset is 'the contract it was read by';
comment on column etl.drops.sha256 is 'of the bytes of the file';
comment on column etl.drops.size is 'bytes';
comment on column etl.drops.landed_at is 'when its records came into raw; null while they are not';
comment on column etl.drops.status is 'landed (in raw), staged, held (waits for a person), refused or retracted';
comment on column etl.drops.decided_at is 'when the person decided';

comment on column etl.files.path is 'relative to the data folder';
comment on column etl.files.dataset is 'the dataset that its name says';
comment on column etl.files.size is 'bytes';
comment on column etl.files.mtime_ns is 'when it was last written; null when too fresh to be trusted';
comment on column etl.files.ctime_ns is 'when its inode last changed; null when too fresh to be trusted';
comment on column etl.files.inode is 'its number in the file system; null when too fresh to be trusted';
comment on column etl.files.sha256 is 'of its bytes';
comment on column etl.files.drop_id is 'the drop that holds this content';

comment on column etl.rejects.drop_id is 'the drop it came in';
comment on column etl.rejects.line is 'its line in the file (in a JSON array: its place)';
comment on column etl.rejects.dataset is 'the dataset of the drop';
comment on column etl.rejects.outcome is 'rejected: a hard problem; duplicate: its key comes again later in the same drop';
comment on column etl.rejects.reasons is 'codes of what is wrong with it';
comment on column etl.rejects.original is 'the record as it came: text by column';

comment on column etl.settled.drop_id is 'the drop of the rejected row';
comment on column etl.settled.line is 'the line of the rejected row';
comment on column etl.settled.settled_at is 'when the person refused it';

comment on column etl.rule_stats.drop_id is 'the drop that was cleaned';
comment on column etl.rule_stats."column" is 'the column cleaned; _record: the structure of the row';
comment on column etl.rule_stats.rule is 'the rule of pipeline/rules.py';
comment on column etl.rule_stats.changed is 'values that it rewrote';
comment on column etl.rule_stats.flagged is 'values with a soft problem';
comment on column etl.rule_stats.rejected is 'rows that the column rejected';

comment on column etl.targets.target is 'schema.table, output/... or checks/...';
comment on column etl.targets.fingerprint is 'sha256 of the parts; null = forgotten';
comment on column etl.targets.parts is 'name -> digest of everything it was made from: recipe, contract, DDL, options, drops, upstream';
comment on column etl.targets.rows is 'rows it has';
comment on column etl.targets.seconds is 'how long the last build took';
comment on column etl.targets.run_id is 'the run that built it last';
comment on column etl.targets.why is 'why it was built: which parts differed';
comment on column etl.targets.built_at is 'when the build was recorded';

comment on column etl.checks.name is 'the file in pipeline/sql, without its ending';
comment on column etl.checks.layer is 'the layer that it looks at';
comment on column etl.checks.severity is 'error: what is made from the layer waits; warning: only written down';
comment on column etl.checks.what is 'what must hold';
comment on column etl.checks.offending is 'rows for which it does not';
comment on column etl.checks.seconds is 'how long it took';
comment on column etl.checks.run_id is 'the run that asked';
comment on column etl.checks.checked_at is 'when';
