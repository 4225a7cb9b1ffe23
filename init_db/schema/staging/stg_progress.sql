create table staging.stg_progress (
    event_id text collate "C" primary key,
    student_id text collate "C" not null,
    course_id text collate "C",
    event_type text,
    event_timestamp timestamptz,
    duration_seconds bigint,
    score numeric(5, 2),
    module_id text collate "C",
    completion_percentage numeric(5, 2),
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_progress (_build) where _build > 1;
create index on staging.stg_progress (event_id) where flags <> '{}';
comment on table staging.stg_progress is 'one learning event: the newest accepted record of student_progress';
comment on column staging.stg_progress.event_id is 'id of the event in the source';
comment on column staging.stg_progress.student_id is 'who';
comment on column staging.stg_progress.course_id is 'in which course; null when missing';
comment on column staging.stg_progress.event_type is 'video_watched, quiz_completed, ...';
comment on column staging.stg_progress.event_timestamp is 'when (UTC); null when unknown';
comment on column staging.stg_progress.duration_seconds is 'seconds spent';
comment on column staging.stg_progress.score is 'percent, 0 to 100';
comment on column staging.stg_progress.module_id is 'module of the course';
comment on column staging.stg_progress.completion_percentage is 'percent of the course completed, 0 to 100';
