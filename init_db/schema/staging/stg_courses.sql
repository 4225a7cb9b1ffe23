create table staging.stg_courses (
    course_id text collate "C" primary key,
    course_name text,
    category text,
    difficulty text,
    duration_hours numeric(14, 2),
    price numeric(14, 2),
    instructor_name text,
    is_active boolean,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_courses (course_id) where flags <> '{}';
comment on table staging.stg_courses is 'one course: the newest accepted record of course_catalog';
comment on column staging.stg_courses.course_id is 'upper case';
comment on column staging.stg_courses.course_name is 'title of the course';
comment on column staging.stg_courses.category is 'Technology, Business or Design';
comment on column staging.stg_courses.difficulty is 'Beginner, Intermediate or Advanced';
comment on column staging.stg_courses.duration_hours is 'planned hours';
comment on column staging.stg_courses.price is 'price in rupees';
comment on column staging.stg_courses.instructor_name is 'as written in the catalogue';
comment on column staging.stg_courses.is_active is 'as the catalogue says';
