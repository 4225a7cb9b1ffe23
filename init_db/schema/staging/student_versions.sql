create table staging.student_versions (
    dataset text collate "C" not null,
    student_id text collate "C" not null,
    drop_date date not null,
    full_name text,
    student_name text,
    first_name text,
    last_name text,
    email text,
    phone text,
    dob date,
    gender text,
    city text,
    state text,
    class_id text collate "C",
    grade_level integer,
    enrollment_status text,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null,
    primary key (student_id, dataset, drop_date)
);
create index on staging.student_versions (_build) where _build > 1;
comment on table staging.student_versions is 'every accepted version of a student, one per dataset (students_enrollment, students) and drop date: what the history is made of';
comment on column staging.student_versions.dataset is 'which dataset says so: students_enrollment or students; it leaves the columns of the other one null';
comment on column staging.student_versions.drop_date is 'the day of the drop that says so';
comment on column staging.student_versions._build is 'the build of the staged table of the dataset that wrote it';
