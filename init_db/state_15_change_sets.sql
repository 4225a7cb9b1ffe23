-- Change sets: which keys each build of a table changed. State: only ever migrated forward, never dropped.

create table if not exists etl.changes (
    target text not null,
    build bigint not null,
    keys bigint not null,
    written json not null,
    deleted json not null,
    primary key (target, build)
);
comment on table etl.changes is 'the keys that a build changed, while a target made from the table has not consumed that build; no row: unknown, read the whole table';
comment on column etl.changes.target is 'the table';
comment on column etl.changes.build is 'the build of the table that changed them';
comment on column etl.changes.keys is 'how many keys it changed';
comment on column etl.changes.written is 'keys of the rows that it inserted, or whose content it updated';
comment on column etl.changes.deleted is 'keys of the rows that it deleted';
