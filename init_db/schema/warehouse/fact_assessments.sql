create table warehouse.fact_assessments (
    assessment_id text collate "C" primary key,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    date_key integer not null references warehouse.dim_date,
    assessment_date date,
    subject text,
    score numeric(14, 2) not null,
    max_score numeric(14, 2) not null check (max_score > 0),
    score_percentage numeric(5, 2) not null check (score_percentage between 0 and 100),
    check (score between 0 and max_score)
);
create index on warehouse.fact_assessments (student_key, assessment_date);
comment on table warehouse.fact_assessments is 'one row per assessed piece of work';
comment on column warehouse.fact_assessments.assessment_id is 'id of the record in the source';
comment on column warehouse.fact_assessments.assessment_date is 'null when unknown';
comment on column warehouse.fact_assessments.subject is 'null when missing';
comment on column warehouse.fact_assessments.score is 'points';
comment on column warehouse.fact_assessments.max_score is 'points there were to get';
comment on column warehouse.fact_assessments.score_percentage is '100 x score / max_score';
