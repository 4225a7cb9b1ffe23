-- A drop is a batch, not a file: a stream or the table of a database has no path and no size.
-- State: only ever migrated forward (a later state_NN file), never dropped.

alter table etl.drops alter column path drop not null, alter column size drop not null;
comment on table etl.drops is 'one row per arrival of a batch: a file, or what came of another source; the balance of its rows is a constraint';
comment on column etl.drops.path is 'of a file, relative to the data folder';
comment on column etl.drops.size is 'bytes of a file';
comment on column etl.drops.sha256 is 'of its content: of a file its bytes; of what came piece by piece the chain, each piece behind the digest before it';
comment on column etl.drops.drop_date is 'the ISO date in the path or the day of the source, else the day it was first loaded; never recomputed';
