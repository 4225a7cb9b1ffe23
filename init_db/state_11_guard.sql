-- Drop ids in the order of paths: the new files of a scan get theirs together, before the first of them is landed. And
-- why the guard held a drop.
-- State: only ever migrated forward (a later state_NN file), never dropped.

create table if not exists etl.coming (
    path text not null,
    sha256 text not null,
    drop_id bigint not null unique,
    primary key (path, sha256)
);
comment on table etl.coming is 'new files that have their drop id and are not landed yet; the row goes when they are';
comment on column etl.coming.path is 'relative to the data folder';
comment on column etl.coming.sha256 is 'of its bytes, when it was scanned';
comment on column etl.coming.drop_id is 'the id that the drop will have';

alter table etl.drops alter column drop_id drop identity if exists;
comment on column etl.drops.drop_id is 'counts up; within one scan in the order of paths, over all datasets';

alter table etl.drops add column if not exists findings jsonb not null default '[]';
comment on column etl.drops.findings is 'why the guard held it: what it saw, the setting, the value and the limit';
