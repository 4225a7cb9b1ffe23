create table warehouse.dim_courses (
    course_key bigint primary key,
    course_id text collate "C" not null unique,
    course_name text,
    category text,
    difficulty text,
    duration_hours numeric(14, 2) check (duration_hours >= 0),
    price numeric(14, 2) check (price >= 0),
    instructor_key bigint references warehouse.dim_instructors on delete set null,
    is_active boolean not null,
    vanished_on date,
    is_inferred boolean not null,
    check (not (is_active and vanished_on is not null))
);
comment on table warehouse.dim_courses is 'one row per course, in the catalogue or only referenced';
comment on column warehouse.dim_courses.is_active is 'the catalogue says so and still lists it';
comment on column warehouse.dim_courses.vanished_on is 'first complete catalogue after the course was last listed';
comment on column warehouse.dim_courses.is_inferred is 'no catalogue listed it: an event names the course (inferred member)';
