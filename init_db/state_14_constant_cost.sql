-- Asking for the state costs the same with twenty thousand drops as with ten: what the drops of a dataset come to is
-- kept, and the few that matter are found by an index.
-- State: only ever migrated forward (a later state_NN file), never dropped.

create table if not exists etl.datasets (
    dataset text primary key,
    drops bigint not null,
    in_raw bigint not null,
    rows bigint not null,
    digest numeric not null
);
comment on table etl.datasets is 'what the drops of a dataset come to; kept by a trigger on etl.drops, so that a run need not read them all';
comment on column etl.datasets.dataset is 'the name of its declaration';
comment on column etl.datasets.drops is 'drops that were not retracted';
comment on column etl.datasets.in_raw is 'drops whose records are in raw';
comment on column etl.datasets.rows is 'records in raw';
comment on column etl.datasets.digest is 'sum of the digests of the drops in raw, each of date, content and decision';

-- 64 bits: the sum of any number of them, in any order, tells one set of drops from another.
create or replace function etl.drop_digest(drop_date date, sha256 text, decision text) returns bigint
language sql stable as $$
    select ('x' || left(md5(to_char(drop_date, 'YYYY-MM-DD') || ' ' || sha256 || ' ' || coalesce(decision, '')), 16))::bit(64)::bigint
$$;

-- Per statement: a row of etl.datasets that changed with each of ten thousand drops would leave as many versions.
create or replace function etl.count_drops() returns trigger
language plpgsql as $$
begin
    if tg_op <> 'DELETE' then
        insert into etl.datasets as s (dataset, drops, in_raw, rows, digest)
        select
            dataset, count(*) filter (where status <> 'retracted'), count(landed_at),
            coalesce(sum(rows) filter (where landed_at is not null), 0),
            coalesce(sum(etl.drop_digest(drop_date, sha256, decision)) filter (where landed_at is not null), 0)
        from come
        group by dataset
        on conflict (dataset) do update set
            drops = s.drops + excluded.drops, in_raw = s.in_raw + excluded.in_raw,
            rows = s.rows + excluded.rows, digest = s.digest + excluded.digest;
    end if;
    if tg_op <> 'INSERT' then
        update etl.datasets as s set
            drops = s.drops - g.drops, in_raw = s.in_raw - g.in_raw, rows = s.rows - g.rows, digest = s.digest - g.digest
        from (
            select
                dataset, count(*) filter (where status <> 'retracted') as drops, count(landed_at) as in_raw,
                coalesce(sum(rows) filter (where landed_at is not null), 0) as rows,
                coalesce(sum(etl.drop_digest(drop_date, sha256, decision)) filter (where landed_at is not null), 0)
                    as digest
            from gone
            group by dataset
        ) as g
        where s.dataset = g.dataset;
    end if;
    return null;
end
$$;

create or replace trigger drops_come after insert on etl.drops
referencing new table as come for each statement execute function etl.count_drops();
create or replace trigger drops_change after update on etl.drops
referencing old table as gone new table as come for each statement execute function etl.count_drops();
create or replace trigger drops_go after delete on etl.drops
referencing old table as gone for each statement execute function etl.count_drops();

insert into etl.datasets (dataset, drops, in_raw, rows, digest)
select
    dataset, count(*) filter (where status <> 'retracted'), count(landed_at),
    coalesce(sum(rows) filter (where landed_at is not null), 0),
    coalesce(sum(etl.drop_digest(drop_date, sha256, decision)) filter (where landed_at is not null), 0)
from etl.drops
group by dataset
on conflict (dataset) do update set
    drops = excluded.drops, in_raw = excluded.in_raw, rows = excluded.rows, digest = excluded.digest;

create index if not exists drops_path on etl.drops (path, drop_id);
create index if not exists drops_content on etl.drops (sha256, drop_date);
create index if not exists drops_open on etl.drops (drop_id) where status in ('held', 'refused');
create index if not exists drops_landed on etl.drops (dataset) where status = 'landed';
create index if not exists drops_arrived on etl.drops (greatest(landed_at, arrived_at));
