create table staging.stg_assessments (
    assessment_id text collate "C" primary key,
    student_id text collate "C" not null,
    subject text,
    score numeric(14, 2) not null,
    max_score numeric(14, 2) not null,
    assessment_date date,
    created_at timestamptz,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_assessments (_build) where _build > 1;
create index on staging.stg_assessments (assessment_id) where flags <> '{}';
comment on table staging.stg_assessments is 'one assessed piece of work: the newest accepted record of assessments';
comment on column staging.stg_assessments.assessment_id is 'id of the record in the source';
comment on column staging.stg_assessments.student_id is 'who';
comment on column staging.stg_assessments.subject is 'title case; null when missing';
comment on column staging.stg_assessments.score is 'points, 0 to max_score';
comment on column staging.stg_assessments.max_score is 'points there were to get, above 0';
comment on column staging.stg_assessments.assessment_date is 'the day it was sat; null when unknown';
comment on column staging.stg_assessments.created_at is 'when it was written down (UTC)';
