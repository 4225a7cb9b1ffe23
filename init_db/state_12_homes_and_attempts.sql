-- Whose database this is, and every attempt to run. State: only ever migrated forward, never dropped.

create table if not exists etl.home (
    only_row boolean primary key default true check (only_row),
    home_id text not null,
    name text not null,
    kind text check (kind in ('sample', 'school')),
    claimed_at timestamptz not null default now()
);
comment on table etl.home is 'the home that this database belongs to: no other one writes into it';
comment on column etl.home.only_row is 'always true: a database has one home';
comment on column etl.home.home_id is 'the id in .eduflow/home.json of the home';
comment on column etl.home.name is 'what the home was called when it first used the database';
comment on column etl.home.kind is 'sample or school, as the first file that landed was: the two never meet';
comment on column etl.home.claimed_at is 'when the home first used the database';

alter table etl.runs add column if not exists goal text;
alter table etl.runs add column if not exists exit_code integer;
alter table etl.runs add column if not exists built integer;
alter table etl.runs add column if not exists landed integer;
alter table etl.runs drop constraint if exists runs_status_check;
alter table etl.runs add constraint runs_status_check
check (status in ('running', 'ok', 'nothing', 'unsettled', 'failed', 'interrupted'));
comment on table etl.runs is 'every attempt to run, also one that failed or did nothing';
comment on column etl.runs.status is 'running (or killed); ok: built something; nothing: all was up to date; unsettled: what is good is built, something waits for a person; failed; interrupted';
comment on column etl.runs.started_at is 'when it began';
comment on column etl.runs.ended_at is 'when it ended, or while it runs, when it last wrote something';
comment on column etl.runs.goal is 'what it was asked to build';
comment on column etl.runs.exit_code is 'its exit code; null while it runs, or when it was killed';
comment on column etl.runs.built is 'targets that it built';
alter table etl.drops add column if not exists arrived_at timestamptz;
alter table etl.drops alter column arrived_at set default clock_timestamp();
comment on column etl.drops.arrived_at is 'when it was first seen; null for drops of a version before 0.2';
comment on column etl.runs.landed is 'drops that it landed or refused';
