create table warehouse.dim_students (
    student_key bigint primary key,
    student_id text collate "C" not null unique,
    full_name text,
    first_name text,
    last_name text,
    email text,
    phone text,
    dob date,
    gender text check (gender in ('Male', 'Female', 'Other')),
    city text,
    state text,
    class_id text collate "C" references warehouse.dim_classes (class_id) on delete set null,
    grade_level integer check (grade_level > 0),
    is_active boolean not null,
    vanished_on date,
    is_inferred boolean not null,
    check (not (is_active and vanished_on is not null))
);
create index on warehouse.dim_students (class_id);
comment on table warehouse.dim_students is 'one row per student, enrolled, in the roster or only referenced (Type 1: the newest profile; the enrolment speaks first, then the roster)';
comment on column warehouse.dim_students.class_id is 'of the newest roster that named the student; null for a student in no roster';
comment on column warehouse.dim_students.grade_level is 'of the newest roster that named the student';
comment on column warehouse.dim_students.is_active is 'ACTIVE in the newest roster; true for a student in no roster';
comment on column warehouse.dim_students.vanished_on is 'first complete roster after the student was last named';
comment on column warehouse.dim_students.is_inferred is 'no profile arrived: only other records name the student (inferred member)';
