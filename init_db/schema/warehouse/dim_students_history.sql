create table warehouse.dim_students_history (
    student_key bigint not null references warehouse.dim_students on delete cascade,
    valid_from date not null,
    valid_to date not null,
    is_current boolean not null,
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
    next_from date generated always as (nullif(valid_to, 'infinity')) stored,
    primary key (student_key, valid_from),
    -- Versions form one chain: no two begin on one day (the key), no two end on one day, each ends later than it
    -- begins, and where one ends another begins. So none overlap, there is no gap, and exactly one is current. Checked
    -- at the end of the transaction, because spans move row by row. (exclude using gist says less, and takes 60 us a
    -- row instead of 10.)
    unique (student_key, valid_to) deferrable initially deferred,
    foreign key (student_key, next_from) references warehouse.dim_students_history
    deferrable initially deferred,
    check (valid_from < valid_to),
    check (is_current = (valid_to = 'infinity'))
);
comment on table warehouse.dim_students_history is 'one row per student and span of days in which nothing known of the student changed (Type 2, by drop date)';
comment on column warehouse.dim_students_history.valid_from is 'first day; -infinity in the first version';
comment on column warehouse.dim_students_history.valid_to is 'the day after the last one; infinity in the current version';
comment on column warehouse.dim_students_history.next_from is 'first day of the version after it; null in the current one';
comment on column warehouse.dim_students_history.is_current is 'the version that holds now; exactly one per student';
comment on column warehouse.dim_students_history.class_id is 'class in these days; before the first roster the one it says; null for a student in no roster';
comment on column warehouse.dim_students_history.grade_level is 'grade in these days, likewise';
comment on column warehouse.dim_students_history.is_active is 'ACTIVE in the newest roster of these days, before the first one in that; true for a student in no roster';
