-- Staging: one current, typed row per natural key, made from raw by the cleaning rules.
-- Derived: when this file changes, the schema is dropped and rebuilt. A test holds it and the contracts equal.
-- Key columns are compared byte by byte (collate "C"): the same order on every server, and faster to sort.

-- The indexes on _build serve incremental builds: rows of the first build are found by reading everything anyway.

create schema staging;
comment on schema staging is 'Silver, cleaned: one current row per natural key. flags = soft problems; quality_score = 100 - 10 per flag; _drop_id, _line = the newest record that says so; _build = the build that last changed the content.';

create table staging.stg_enrollments (
    student_id text collate "C" primary key,
    full_name text,
    first_name text,
    last_name text,
    email text,
    phone text,
    dob date,
    gender text not null,
    city text,
    state text,
    enrollment_date date,
    program_id text collate "C",
    fee_paid numeric(14, 2),
    payment_status text not null,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_enrollments (_build) where _build > 1;
create index on staging.stg_enrollments (program_id);
create index on staging.stg_enrollments (student_id) where flags <> '{}';
comment on table staging.stg_enrollments is 'one enrolled student: the newest accepted record of students_enrollment';
comment on column staging.stg_enrollments.student_id is 'letters, then at least three digits';
comment on column staging.stg_enrollments.full_name is 'digits stripped, title case';
comment on column staging.stg_enrollments.first_name is 'first word of full_name';
comment on column staging.stg_enrollments.last_name is 'the other words of full_name';
comment on column staging.stg_enrollments.email is 'lower case; null when missing or invalid';
comment on column staging.stg_enrollments.phone is '+91-XXXXXXXXXX; null when missing or invalid';
comment on column staging.stg_enrollments.dob is 'date of birth';
comment on column staging.stg_enrollments.gender is 'Male, Female or Other';
comment on column staging.stg_enrollments.city is 'as in city_master where it matched';
comment on column staging.stg_enrollments.state is 'full name';
comment on column staging.stg_enrollments.enrollment_date is 'day of enrolment';
comment on column staging.stg_enrollments.program_id is 'upper case';
comment on column staging.stg_enrollments.fee_paid is 'fee in rupees; 0 when missing';
comment on column staging.stg_enrollments.payment_status is 'COMPLETED, PENDING, PARTIAL, REFUNDED, FAILED or UNKNOWN';

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

create table staging.stg_tickets (
    ticket_id text collate "C" primary key,
    student_id text collate "C" not null,
    subject text,
    description text,
    priority text,
    status text,
    category text,
    created_date date,
    resolved_date date,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_tickets (_build) where _build > 1;
create index on staging.stg_tickets (ticket_id) where flags <> '{}';
comment on table staging.stg_tickets is 'one support ticket: the newest accepted record of support_tickets';
comment on column staging.stg_tickets.ticket_id is 'id of the ticket in the source';
comment on column staging.stg_tickets.student_id is 'who asked';
comment on column staging.stg_tickets.subject is 'as written';
comment on column staging.stg_tickets.description is 'as written';
comment on column staging.stg_tickets.priority is 'Low, Medium, High or Critical';
comment on column staging.stg_tickets.status is 'Open, In Progress, Resolved or Closed';
comment on column staging.stg_tickets.category is 'subject area';
comment on column staging.stg_tickets.created_date is 'day it was opened';
comment on column staging.stg_tickets.resolved_date is 'day it was resolved; null while open';

create table staging.stg_cities (
    city_name text collate "C" primary key,
    state_name text,
    state_code text,
    common_misspellings text [],
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_cities (city_name) where flags <> '{}';
comment on table staging.stg_cities is 'one city: the newest accepted record of city_master';
comment on column staging.stg_cities.city_name is 'title case';
comment on column staging.stg_cities.state_name is 'full name';
comment on column staging.stg_cities.state_code is 'two letters';
comment on column staging.stg_cities.common_misspellings is 'other spellings that mean this city';

create table staging.stg_students (
    student_id text collate "C" primary key,
    student_name text,
    first_name text,
    last_name text,
    class_id text collate "C",
    grade_level integer,
    enrollment_status text,
    updated_at timestamptz,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_students (student_id) where flags <> '{}';
comment on table staging.stg_students is 'one student of the school roster: the newest accepted record of students';
comment on column staging.stg_students.student_id is 'letters, then at least three digits';
comment on column staging.stg_students.student_name is 'digits stripped, title case';
comment on column staging.stg_students.first_name is 'first word of student_name';
comment on column staging.stg_students.last_name is 'the other words of student_name';
comment on column staging.stg_students.class_id is 'CLASS-XX; null when missing or unreadable';
comment on column staging.stg_students.grade_level is '1, 2, ...; null when it is no positive whole number';
comment on column staging.stg_students.enrollment_status is 'ACTIVE, INACTIVE, SUSPENDED, TRANSFERRED, GRADUATED or WITHDRAWN';
comment on column staging.stg_students.updated_at is 'when the school last changed the record (UTC)';

create table staging.stg_attendance (
    attendance_id text collate "C" primary key,
    student_id text collate "C" not null,
    attendance_date date not null,
    status text not null,
    created_at timestamptz,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_attendance (_build) where _build > 1;
create index on staging.stg_attendance (attendance_id) where flags <> '{}';
comment on table staging.stg_attendance is 'one attendance record: the newest accepted record of attendance';
comment on column staging.stg_attendance.attendance_id is 'id of the record in the source';
comment on column staging.stg_attendance.student_id is 'who';
comment on column staging.stg_attendance.attendance_date is 'the school day';
comment on column staging.stg_attendance.status is 'PRESENT, ABSENT, LATE or EXCUSED';
comment on column staging.stg_attendance.created_at is 'when it was written down (UTC)';

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

-- What a snapshot lacks is gone: for each snapshot drop, from which day on the keys that it was the last to name are inactive.
-- The drops of one date (the last per path) are together the whole truth at that date. A date with rejected rows, and a
-- reject file sent back (partial), add and correct but deactivate nobody. Derived from dates, so late drops are safe.
create view staging.snapshot_ends as
with accepted as (
    select drop_id, dataset, path, drop_date, rejected, partial
    from etl.drops
    where status = 'staged'
),
whole as (
    select distinct on (dataset, drop_date, path) dataset, drop_date, drop_id, rejected
    from accepted
    where not partial
    order by dataset, drop_date, path, drop_id desc
),
complete_dates as (
    select dataset, drop_date
    from whole
    group by dataset, drop_date
    having sum(rejected) = 0
)
select
    a.dataset,
    a.drop_id,
    min(c.drop_date) as vanished_on
from accepted as a
inner join complete_dates as c
    on a.dataset = c.dataset
    and (
        c.drop_date > a.drop_date
        or (
            -- a later file of the same path and day replaced this one
            c.drop_date = a.drop_date and not a.partial
            and a.drop_id not in (select drop_id from whole)
        )
    )
group by a.dataset, a.drop_id;
comment on view staging.snapshot_ends is 'per snapshot drop: the first later complete snapshot, when keys not seen since are inactive';
comment on column staging.snapshot_ends.vanished_on is 'from this day on, a key that this drop was the last to name is inactive';

-- A reject is open until a later record with its key was accepted (from a later drop, or later in the same one), a row
-- that names its line was, or a person refused it for good.
create view staging.accepted_keys as
select 'students_enrollment' as dataset, student_id as key, _drop_id, _line from staging.stg_enrollments
union all
select 'student_progress', event_id, _drop_id, _line from staging.stg_progress
union all
select 'course_catalog', course_id, _drop_id, _line from staging.stg_courses
union all
select 'support_tickets', ticket_id, _drop_id, _line from staging.stg_tickets
union all
select 'city_master', city_name, _drop_id, _line from staging.stg_cities
union all
select 'students', student_id, _drop_id, _line from staging.stg_students
union all
select 'attendance', attendance_id, _drop_id, _line from staging.stg_attendance
union all
select 'assessments', assessment_id, _drop_id, _line from staging.stg_assessments;
comment on view staging.accepted_keys is 'the newest accepted record of every key, over all datasets';
comment on column staging.accepted_keys.dataset is 'name of the dataset';
comment on column staging.accepted_keys.key is 'the natural key of its row';

-- A row of a reject file that was sent back names the rejected row it mends: by the drop in the file's name, and by
-- reject_line. Accepted, it closes that one, and the ones that that one had itself been sent back for.
create view staging.mended_rejects as
with recursive named as (
    select n.drop_id, d.drop_id as mends
    from etl.drops as n
    inner join etl.drops as d
        on d.dataset = n.dataset
        and d.drop_id = substring(lower(n.path) from '[.]rejects-([0-9]{1,18})(?:[.]new(?:-[0-9]+)?)?[.][a-z.]+$')::bigint
    where n.partial and n.status = 'staged'
),
sent as (
    select _drop_id, _line, _extra from raw.students_enrollment where _drop_id = any(array(select drop_id from named))
    union all
    select _drop_id, _line, _extra from raw.student_progress where _drop_id = any(array(select drop_id from named))
    union all
    select _drop_id, _line, _extra from raw.course_catalog where _drop_id = any(array(select drop_id from named))
    union all
    select _drop_id, _line, _extra from raw.support_tickets where _drop_id = any(array(select drop_id from named))
    union all
    select _drop_id, _line, _extra from raw.city_master where _drop_id = any(array(select drop_id from named))
    union all
    select _drop_id, _line, _extra from raw.students where _drop_id = any(array(select drop_id from named))
    union all
    select _drop_id, _line, _extra from raw.attendance where _drop_id = any(array(select drop_id from named))
    union all
    select _drop_id, _line, _extra from raw.assessments where _drop_id = any(array(select drop_id from named))
),
lines as (
    select
        s._drop_id,
        s._line,
        n.mends as drop_id,
        case when s._extra ->> 'reject_line' ~ '^[0-9]{1,18}$' then (s._extra ->> 'reject_line')::bigint end as line
    from sent as s
    inner join named as n on s._drop_id = n.drop_id
),
mended as (
    select l.drop_id, l.line
    from lines as l
    where not exists (
        select from etl.rejects as r where (r.drop_id, r.line) = (l._drop_id, l._line) and r.outcome = 'rejected'
    )
    union
    select l.drop_id, l.line
    from mended as m
    inner join lines as l on (l._drop_id, l._line) = (m.drop_id, m.line)
)
select drop_id, line from mended where line is not null;
comment on view staging.mended_rejects is 'rejected rows whose mended row was accepted, by the line that it names';
comment on column staging.mended_rejects.drop_id is 'the drop of the rejected row';
comment on column staging.mended_rejects.line is 'the line of the rejected row';

create view staging.open_rejects as
select r.drop_id, r.line, r.dataset, r.key, r.reasons
from etl.rejects as r
inner join etl.drops as d on r.drop_id = d.drop_id
where r.outcome = 'rejected' and d.status = 'staged'
and not exists (select from etl.settled as s where (s.drop_id, s.line) = (r.drop_id, r.line))
and not exists (select from staging.mended_rejects as m where (m.drop_id, m.line) = (r.drop_id, r.line))
and not exists (
    select from staging.accepted_keys as k
    inner join etl.drops as n on k._drop_id = n.drop_id
    where k.dataset = r.dataset and k.key = r.key
    and (n.drop_date, n.drop_id, k._line) > (d.drop_date, d.drop_id, r.line)
);
comment on view staging.open_rejects is 'rejected rows that nobody has put right or refused yet';
