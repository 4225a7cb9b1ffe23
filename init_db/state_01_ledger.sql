-- The ledger: what arrived, what became of every row, and how each target was made.
-- State: only ever migrated forward (a later state_NN file), never dropped.

create table if not exists etl.migrations (
    file text primary key,
    applied_at timestamptz not null default now()
);
comment on table etl.migrations is 'state_NN files that were applied to this database';

create table if not exists etl.schemas (
    schema text primary key,
    digest text not null,
    relations text [] not null,
    applied_at timestamptz not null default now()
);
comment on table etl.schemas is 'derived schemas: the digest of the tables_NN file that made them and the relations it made';

create table if not exists etl.foreign_keys (
    table_name text not null,
    name text not null,
    definition text not null,
    primary key (table_name, name)
);
comment on table etl.foreign_keys is 'foreign keys of derived tables, added to each when it has been filled';

create table if not exists etl.runs (
    run_id text primary key,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    status text not null default 'running' check (status in ('running', 'ok', 'failed', 'unsettled'))
);
comment on table etl.runs is 'runs that built something; unsettled: all good drops are built, a refused or held one waits for a person';

create table if not exists etl.drops (
    drop_id bigint generated always as identity primary key,
    dataset text not null,
    path text not null,
    sha256 text not null,
    size bigint not null,
    drop_date date not null,
    landed_at timestamptz,
    status text not null check (status in ('landed', 'staged', 'held', 'refused', 'retracted')),
    reason text,
    partial boolean not null default false,
    format jsonb not null default '{}',
    judged_by text,
    decision text check (decision in ('approve', 'refuse', 'retract')),
    decided_at timestamptz,
    rows bigint,
    read bigint,
    current bigint,
    superseded bigint,
    duplicate bigint,
    rejected bigint,
    constraint drops_counts_when_staged check (
        (status = 'staged') = (read is not null)
        and num_nonnulls(read, current, superseded, duplicate, rejected) in (0, 5)
    ),
    constraint drops_balance check (
        read is null or (read = rows and read = current + superseded + duplicate + rejected)
    ),
    constraint drops_counts_not_negative check (
        least(rows, read, current, superseded, duplicate, rejected) >= 0
    )
);
create index if not exists drops_dataset on etl.drops (dataset, drop_date, drop_id);
comment on table etl.drops is 'one row per arrival of a file; the balance of its rows is a constraint';
comment on column etl.drops.path is 'relative to the data folder';
comment on column etl.drops.drop_date is 'the ISO date in the path, else the day it was first loaded; never recomputed';
comment on column etl.drops.reason is 'why it was refused or held';
comment on column etl.drops.partial is 'a reject file sent back: adds and corrects, never the whole truth of a snapshot';
comment on column etl.drops.format is 'how the file was read: header, fields (contract column per header name), delimiter, encoding';
comment on column etl.drops.judged_by is 'digest of the reader and contract that refused it: when it differs, the file is tried again';
comment on column etl.drops.decision is 'what a person decided';
comment on column etl.drops.rows is 'records in raw';
comment on column etl.drops.read is 'records that were cleaned: current + superseded + duplicate + rejected';
comment on column etl.drops.current is 'rows that staging shows';
comment on column etl.drops.superseded is 'rows that a newer drop speaks for';
comment on column etl.drops.duplicate is 'rows whose key comes again later in the same drop';
comment on column etl.drops.rejected is 'rows with a hard problem, kept in etl.rejects';

create table if not exists etl.files (
    path text primary key,
    dataset text not null,
    size bigint not null,
    mtime_ns bigint,
    ctime_ns bigint,
    inode numeric(20),
    sha256 text not null,
    drop_id bigint not null references etl.drops
);
comment on table etl.files is 'the last content taken from (or recognised at) each path, so that a run with nothing to do hashes nothing';

create table if not exists etl.rejects (
    drop_id bigint not null references etl.drops,
    line bigint not null,
    dataset text not null,
    outcome text not null check (outcome in ('rejected', 'duplicate')),
    reasons text [] not null check (cardinality(reasons) > 0),
    key text,
    original jsonb not null,
    primary key (drop_id, line)
);
create index if not exists rejects_key on etl.rejects (dataset, key) where outcome = 'rejected';
comment on table etl.rejects is 'every row that is not in staging for a reason of its own, with its line, reasons and original text';
comment on column etl.rejects.key is 'the cleaned natural key, where the row has a valid one';

create table if not exists etl.settled (
    drop_id bigint not null references etl.drops,
    line bigint not null,
    settled_at timestamptz not null default now(),
    primary key (drop_id, line)
);
comment on table etl.settled is 'rejected rows that a person refused for good (survives re-cleaning)';

create table if not exists etl.rule_stats (
    drop_id bigint not null references etl.drops,
    "column" text not null,
    rule text not null,
    changed bigint not null,
    flagged bigint not null,
    rejected bigint not null,
    primary key (drop_id, "column", rule)
);
comment on table etl.rule_stats is 'how many values of a drop each rule changed, flagged and rejected';

create table if not exists etl.targets (
    target text primary key,
    fingerprint text,
    parts jsonb not null default '{}',
    build bigint not null default 0,
    full_build bigint not null default 0,
    consumed jsonb not null default '{}',
    content text,
    rows bigint,
    changed bigint,
    seconds numeric(10, 3),
    run_id text,
    why text,
    built_at timestamptz
);
comment on table etl.targets is 'one row per target: the parts it was made from; fingerprint null = forgotten, to be rebuilt in full';
comment on column etl.targets.build is 'counts up with every build, never resets';
comment on column etl.targets.full_build is 'the last build that removed rows or moved them between groups: what reads it must rebuild in full';
comment on column etl.targets.consumed is 'upstream target -> its build when this one was made';
comment on column etl.targets.content is 'artifacts: digest of the files written';
comment on column etl.targets.changed is 'rows inserted, updated and deleted by the last build';
