-- Warehouse: the star schema. Dimensions and facts, each made by one SELECT in pipeline/sql.
-- Derived: when this file changes, the schema is dropped and rebuilt.
-- Surrogate keys are the first 64 bits of md5(natural key): the same on every machine, so everything can be rebuilt.

create schema warehouse;
comment on schema warehouse is 'Silver, modelled: conformed dimensions and facts. Keys are the first 64 bits of md5(natural key).';

create function warehouse.key(natural_key text) returns bigint
language sql immutable strict parallel safe
return ('x' || left(md5(natural_key), 16))::bit(64)::bigint;
comment on function warehouse.key is 'surrogate key of a natural key: the first 64 bits of its md5';

create function warehouse.date_key(day date) returns integer
language sql immutable parallel safe
return case
    when day between '2000-01-01' and '2050-12-31'
        then (extract(year from day) * 10000 + extract(month from day) * 100 + extract(day from day))::integer
    else 0
end;
comment on function warehouse.date_key is 'yyyymmdd; 0, the unknown date, for null or a day outside 2000 to 2050';

create table warehouse.dim_date (
    date_key integer primary key,
    date date unique,
    year smallint,
    quarter smallint check (quarter between 1 and 4),
    month smallint check (month between 1 and 12),
    month_name text,
    day smallint check (day between 1 and 31),
    iso_week smallint check (iso_week between 1 and 53),
    day_of_week smallint check (day_of_week between 1 and 7),
    day_name text,
    is_weekend boolean,
    check ((date_key = 0) = (date is null))
);
comment on table warehouse.dim_date is 'one row per day from 2000 to 2050, and 0, the unknown date';
comment on column warehouse.dim_date.date_key is 'yyyymmdd; 0 = unknown';
comment on column warehouse.dim_date.date is 'the day; null = unknown';
comment on column warehouse.dim_date.year is '2000 to 2050';
comment on column warehouse.dim_date.quarter is '1 to 4';
comment on column warehouse.dim_date.month is '1 to 12';
comment on column warehouse.dim_date.month_name is 'January to December';
comment on column warehouse.dim_date.day is 'day of the month';
comment on column warehouse.dim_date.iso_week is 'week by ISO 8601: the first one has a Thursday in January';
comment on column warehouse.dim_date.day_of_week is '1 = Monday to 7 = Sunday';
comment on column warehouse.dim_date.day_name is 'Monday to Sunday';
comment on column warehouse.dim_date.is_weekend is 'Saturday or Sunday';

create table warehouse.dim_classes (
    class_key bigint primary key,
    class_id text collate "C" not null unique,
    grade_level integer check (grade_level > 0)
);
comment on table warehouse.dim_classes is 'one row per class that any roster named';
comment on column warehouse.dim_classes.class_id is 'CLASS-XX';
comment on column warehouse.dim_classes.grade_level is 'of most of the students that were last seen in it; of several alike the lowest';

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

create table warehouse.dim_instructors (
    instructor_key bigint primary key,
    instructor_name text not null -- not indexed: an index takes 2,700 bytes, a cell may hold more
);
comment on table warehouse.dim_instructors is 'one row per instructor named in the course catalogue';

create table warehouse.dim_programs (
    program_key bigint primary key,
    program_id text collate "C" not null unique
);
comment on table warehouse.dim_programs is 'one row per program named in an enrolment';

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

-- on delete cascade: a member vanishes only when no row of staging names it any more, so a fact that still does is stale
-- and about to be rebuilt; without it, the dimension could not be made before its facts.
create table warehouse.fact_student_progress (
    event_id text collate "C" primary key,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    course_key bigint references warehouse.dim_courses on delete cascade,
    date_key integer not null references warehouse.dim_date,
    event_type text,
    event_timestamp timestamptz,
    duration_seconds bigint check (duration_seconds >= 0),
    score numeric(5, 2) check (score between 0 and 100),
    module_id text,
    completion_percentage numeric(5, 2) check (completion_percentage between 0 and 100)
) with (fillfactor = 90); -- a corrected event finds room beside itself, and its indexes stay as they are
create index on warehouse.fact_student_progress (student_key, course_key);
comment on table warehouse.fact_student_progress is 'one row per learning event';
comment on column warehouse.fact_student_progress.course_key is 'null when the event names no course';
comment on column warehouse.fact_student_progress.date_key is 'day of the event (UTC)';

create table warehouse.fact_course_progress (
    student_key bigint not null references warehouse.dim_students on delete cascade,
    course_key bigint not null references warehouse.dim_courses on delete cascade,
    events bigint not null check (events > 0),
    minutes numeric(38, 2) not null check (minutes >= 0),
    modules_completed bigint not null check (modules_completed >= 0),
    avg_score numeric(5, 2) check (avg_score between 0 and 100),
    completion_percentage numeric(5, 2) check (completion_percentage between 0 and 100),
    first_activity timestamptz,
    last_activity timestamptz,
    primary key (student_key, course_key)
) with (fillfactor = 85); -- a day's events change existing rows: room beside them saves writing the indexes again
create index on warehouse.fact_course_progress (course_key);
comment on table warehouse.fact_course_progress is 'one row per student and course with at least one event';
comment on column warehouse.fact_course_progress.events is 'its learning events';
comment on column warehouse.fact_course_progress.first_activity is 'its first dated event (UTC)';
comment on column warehouse.fact_course_progress.last_activity is 'its last dated event (UTC)';
comment on column warehouse.fact_course_progress.minutes is 'time spent, from the durations of its events (wide: one absurd duration must not stop the build)';
comment on column warehouse.fact_course_progress.modules_completed is 'distinct modules with an event at completion 100';
comment on column warehouse.fact_course_progress.avg_score is 'mean of its scored events, percent';
comment on column warehouse.fact_course_progress.completion_percentage is 'highest completion reported, percent';

create table warehouse.fact_enrollments (
    student_key bigint primary key references warehouse.dim_students on delete cascade,
    program_key bigint references warehouse.dim_programs on delete cascade,
    date_key integer not null references warehouse.dim_date,
    enrollment_date date,
    fee_paid numeric(14, 2) check (fee_paid >= 0),
    payment_status text not null
);
create index on warehouse.fact_enrollments (program_key);
comment on table warehouse.fact_enrollments is 'one row per enrolled student';
comment on column warehouse.fact_enrollments.fee_paid is 'rupees';

create table warehouse.fact_support_tickets (
    ticket_id text collate "C" primary key,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    created_date_key integer not null references warehouse.dim_date,
    resolved_date_key integer not null references warehouse.dim_date,
    priority text,
    status text,
    category text,
    resolution_hours numeric(14, 2) check (resolution_hours >= 0)
);
create index on warehouse.fact_support_tickets (student_key);
comment on table warehouse.fact_support_tickets is 'one row per support ticket';
comment on column warehouse.fact_support_tickets.resolved_date_key is '0 while unresolved';
comment on column warehouse.fact_support_tickets.resolution_hours is '24 per day from created to resolved; null while open, or when the dates contradict each other';

create table warehouse.fact_attendance (
    attendance_id text collate "C" primary key,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    date_key integer not null references warehouse.dim_date,
    attendance_date date not null,
    status text not null check (status in ('PRESENT', 'ABSENT', 'LATE', 'EXCUSED')),
    is_present boolean not null
);
create index on warehouse.fact_attendance (student_key, attendance_date);
comment on table warehouse.fact_attendance is 'one row per attendance record';
comment on column warehouse.fact_attendance.attendance_id is 'id of the record in the source';
comment on column warehouse.fact_attendance.attendance_date is 'the school day';
comment on column warehouse.fact_attendance.is_present is 'PRESENT or LATE';

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

-- What agents think, made from the facts: see pipeline/enrich.py.
create table warehouse.ai_ticket_analysis (
    ticket_id text collate "C" primary key references warehouse.fact_support_tickets on delete cascade,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    sentiment text not null check (sentiment in ('Positive', 'Neutral', 'Negative', 'Very Negative')),
    sentiment_score numeric(3, 2) not null check (sentiment_score between -1 and 1),
    category text not null,
    priority text not null check (priority in ('Low', 'Medium', 'High', 'Critical')),
    key_issues text [] not null,
    response_template text not null,
    response text not null,
    language text not null check (language in ('en', 'other', 'none')),
    rule_sentiment text not null check (rule_sentiment in ('Positive', 'Neutral', 'Negative', 'Very Negative')),
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    _input text not null,
    check ((source = 'llm') = (reason = '')),
    check ((source = 'llm') = (model is not null and prompt_version is not null))
);
create index on warehouse.ai_ticket_analysis (student_key);
comment on table warehouse.ai_ticket_analysis is 'one row per support ticket: mood, subject and urgency of its text';
comment on column warehouse.ai_ticket_analysis.sentiment is 'Positive, Neutral, Negative or Very Negative';
comment on column warehouse.ai_ticket_analysis.sentiment_score is '-1 (very negative) to 1';
comment on column warehouse.ai_ticket_analysis.category is 'what it is about, of the categories of support_tickets';
comment on column warehouse.ai_ticket_analysis.priority is 'how soon somebody should look at it';
comment on column warehouse.ai_ticket_analysis.key_issues is 'what is wrong or asked for, as codes (agents/tickets)';
comment on column warehouse.ai_ticket_analysis.response_template is 'code of the answer that fits';
comment on column warehouse.ai_ticket_analysis.response is 'text of that answer';
comment on column warehouse.ai_ticket_analysis.language is 'en; other: not read, so Neutral; none: no words';
comment on column warehouse.ai_ticket_analysis.rule_sentiment is 'sentiment by the rules alone: what the risk counts, so that it is the same with and without a language model';
comment on column warehouse.ai_ticket_analysis.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column warehouse.ai_ticket_analysis.reason is 'why it is the rules'': llm_off, no_key, or what went wrong with the model''s answer; empty for llm';
comment on column warehouse.ai_ticket_analysis.model is 'which model; null for rules';
comment on column warehouse.ai_ticket_analysis.prompt_version is 'version of the prompt in agents/prompts; null for rules';
comment on column warehouse.ai_ticket_analysis._input is 'digest of what was analysed, and by what: equal, it is not analysed again';

create table warehouse.ai_student_risk (
    student_key bigint primary key references warehouse.dim_students on delete cascade,
    as_of date,
    days_since_activity integer check (days_since_activity >= 0),
    mean_completion numeric(5, 2) check (mean_completion between 0 and 100),
    payment_status text,
    negative_tickets integer not null check (negative_tickets >= 0),
    low_scores integer not null check (low_scores >= 0),
    score smallint not null check (score between 0 and 100),
    category text not null check (category in ('Low', 'Medium', 'High', 'Critical')),
    factors text [] not null,
    interventions text [] not null,
    explanation text not null,
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    _input text not null,
    check ((source = 'llm') = (reason = '')),
    check ((source = 'llm') = (model is not null and prompt_version is not null))
);
comment on table warehouse.ai_student_risk is 'one row per student: how likely to drop out, and why (`python -m pipeline explain STU007`)';
comment on column warehouse.ai_student_risk.days_since_activity is 'days from the last learning event, assessment or presence in class to as_of; null: never active';
comment on column warehouse.ai_student_risk.mean_completion is 'percent, mean over the student''s courses; null: no course';
comment on column warehouse.ai_student_risk.payment_status is 'of the enrolment; null: not enrolled';
comment on column warehouse.ai_student_risk.negative_tickets is 'tickets of negative sentiment (by the rules) in the 30 days that end with as_of';
comment on column warehouse.ai_student_risk.low_scores is 'assessments and scored events under 40 percent in the 90 days that end with as_of';
comment on column warehouse.ai_student_risk.score is '0 to 100, always by the rule in agents/risk.py';
comment on column warehouse.ai_student_risk.category is 'Low under 25, Medium under 50, High under 75, else Critical';
comment on column warehouse.ai_student_risk.factors is 'the factors that gave points, in the order of the rule';
comment on column warehouse.ai_student_risk.interventions is 'what to do, the most urgent first';
comment on column warehouse.ai_student_risk.explanation is 'score and factors in a sentence: the one thing here that a language model may word';
comment on column warehouse.ai_student_risk.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column warehouse.ai_student_risk.reason is 'why it is the rules'': llm_off, no_key, or what went wrong with the model''s answer; empty for llm';
comment on column warehouse.ai_student_risk.model is 'which model; null for rules';
comment on column warehouse.ai_student_risk.prompt_version is 'version of the prompt in agents/prompts; null for rules';
comment on column warehouse.ai_student_risk._input is 'digest of what was analysed, and by what: equal, it is not analysed again';
