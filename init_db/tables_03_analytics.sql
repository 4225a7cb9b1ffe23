-- Analytics: what people look at. Derived: when this file changes, the schema is dropped and rebuilt.

create schema analytics;
comment on schema analytics is 'Gold: marts and work lists.';

create table analytics.as_of (
    as_of date,
    source text not null check (source in ('data', 'configuration')),
    only_row boolean primary key default true check (only_row)
);
comment on table analytics.as_of is 'the day that time-relative measures refer to';
comment on column analytics.as_of.as_of is 'the latest day on which at least two students were active (a learning event, an assessment, presence in class), or the configured day; null without any';
comment on column analytics.as_of.source is 'configuration: the day was set; data: it was found';
comment on column analytics.as_of.only_row is 'always true: the table has one row';

create table analytics.review_queue (
    kind text not null check (kind in ('duplicate_conflict', 'fuzzy_duplicate', 'contradiction', 'unmapped_code', 'orphan', 'worst_row')),
    dataset text not null,
    item text collate "C" not null,
    other text collate "C" not null,
    reason text not null,
    occurrences bigint not null check (occurrences > 0),
    primary key (kind, dataset, item, other, reason)
);
comment on table analytics.review_queue is 'what a person should look at: one row per finding';
comment on column analytics.review_queue.kind is 'duplicate_conflict: two different rows of one key in one drop; fuzzy_duplicate: a student who may be one with the first of those alike; contradiction: attendance records of one student and day that disagree; unmapped_code: a word outside the vocabulary; orphan: an id that no master data knows; worst_row: a row with three flags or more';
comment on column analytics.review_queue.item is 'the key (or the word) it is about';
comment on column analytics.review_queue.other is 'the other key, the column, the day of the drop, or the quality score';
comment on column analytics.review_queue.reason is 'what was found, or the flags';
comment on column analytics.review_queue.occurrences is 'how many rows say so';

create table analytics.student_360 (
    student_id text collate "C" primary key,
    as_of date,
    full_name text,
    gender text,
    dob date,
    age integer,
    age_group text check (age_group in ('18-22', '23-27', '28-35', '35+')),
    city text,
    state text,
    class_id text,
    grade_level integer,
    is_active boolean not null,
    program_id text,
    enrollment_date date,
    enrollment_month integer check (enrollment_month between 1 and 12),
    enrollment_quarter integer check (enrollment_quarter between 1 and 4),
    enrollment_year integer,
    fee_paid numeric(14, 2),
    payment_status text,
    enrollment_status text not null check (enrollment_status in ('PENDING', 'CHURNED', 'INACTIVE', 'ACTIVE')),
    courses bigint not null check (courses >= 0),
    modules_completed bigint not null check (modules_completed >= 0),
    avg_completion numeric(5, 2) check (avg_completion between 0 and 100),
    avg_score numeric(5, 2) check (avg_score between 0 and 100),
    hours numeric(38, 2) not null check (hours >= 0),
    last_activity date,
    days_since_activity integer check (days_since_activity >= 0),
    active_days_7 bigint not null check (active_days_7 between 0 and 7),
    active_days_30 bigint not null check (active_days_30 between 0 and 30),
    tickets_open bigint not null check (tickets_open >= 0),
    tickets_total bigint not null check (tickets_total >= tickets_open),
    attendance_rate numeric(3, 2) check (attendance_rate between 0 and 1),
    risk_score smallint check (risk_score between 0 and 100),
    risk_category text check (risk_category in ('Low', 'Medium', 'High', 'Critical')),
    risk_factors text
);
comment on table analytics.student_360 is 'everything about one student on one row, as of a day; one row per student of dim_students';
comment on column analytics.student_360.age is 'year of as_of minus year of birth';
comment on column analytics.student_360.age_group is 'up to 22, 27, 35 years, and above';
comment on column analytics.student_360.class_id is 'class now';
comment on column analytics.student_360.grade_level is 'grade now';
comment on column analytics.student_360.is_active is 'ACTIVE in the newest roster; true for a student in no roster';
comment on column analytics.student_360.enrollment_month is 'month of the enrolment, 1 to 12';
comment on column analytics.student_360.enrollment_quarter is 'quarter of the enrolment, 1 to 4';
comment on column analytics.student_360.enrollment_year is 'year of the enrolment';
comment on column analytics.student_360.fee_paid is 'rupees';
comment on column analytics.student_360.enrollment_status is 'in this order: PENDING when an enrolled student''s payment is not COMPLETED; CHURNED without activity for 90 days or ever; INACTIVE for 30; else ACTIVE';
comment on column analytics.student_360.courses is 'courses with at least one learning event';
comment on column analytics.student_360.modules_completed is 'modules completed over all courses';
comment on column analytics.student_360.avg_completion is 'mean over the courses of the highest completion, percent';
comment on column analytics.student_360.avg_score is 'mean of the scored learning events, percent';
comment on column analytics.student_360.hours is 'time spent on learning events';
comment on column analytics.student_360.last_activity is 'last day up to as_of with a learning event (UTC), an assessment, or presence in class';
comment on column analytics.student_360.days_since_activity is 'days from last_activity to as_of; null without any activity';
comment on column analytics.student_360.active_days_7 is 'days with activity in the 7 days that end with as_of';
comment on column analytics.student_360.active_days_30 is 'days with activity in the 30 days that end with as_of';
comment on column analytics.student_360.tickets_open is 'support tickets that are not Resolved or Closed';
comment on column analytics.student_360.tickets_total is 'all support tickets';
comment on column analytics.student_360.attendance_rate is 'share of the recorded school days on which the student was present, 0 to 1; null without a record';
comment on column analytics.student_360.risk_score is '0 to 100: how likely to drop out (warehouse.ai_student_risk)';
comment on column analytics.student_360.risk_category is 'Low under 25, Medium under 50, High under 75, else Critical';
comment on column analytics.student_360.risk_factors is 'what gave the points, separated by commas; empty without any';

create table analytics.course_performance (
    course_id text collate "C" primary key,
    as_of date,
    course_name text,
    category text,
    difficulty text,
    instructor_name text,
    is_active boolean not null,
    enrollments bigint not null check (enrollments >= 0),
    avg_completion numeric(5, 2) check (avg_completion between 0 and 100),
    avg_score numeric(5, 2) check (avg_score between 0 and 100),
    hours numeric(38, 2) not null check (hours >= 0),
    fees numeric(38, 2) not null check (fees >= 0)
);
comment on table analytics.course_performance is 'how one course does; one row per course of dim_courses';
comment on column analytics.course_performance.is_active is 'the catalogue says so and still lists it';
comment on column analytics.course_performance.enrollments is 'distinct students with a learning event in the course';
comment on column analytics.course_performance.avg_completion is 'mean over its students of the highest completion, percent';
comment on column analytics.course_performance.avg_score is 'mean of its scored learning events, percent';
comment on column analytics.course_performance.hours is 'time spent on its learning events';
comment on column analytics.course_performance.fees is 'rupees paid by its students for their programs: a student of two courses counts in both, so it does not add up over courses';

create table analytics.class_daily_performance (
    class_id text collate "C" not null,
    date date not null,
    as_of date,
    total_students bigint not null check (total_students >= 0),
    students_with_attendance bigint not null check (students_with_attendance >= 0),
    present_count bigint not null check (present_count >= 0),
    absent_count bigint not null check (absent_count >= 0),
    attendance_rate numeric(3, 2) not null check (attendance_rate between 0 and 1),
    students_with_assessment bigint not null check (students_with_assessment >= 0),
    assessment_count bigint not null check (assessment_count >= 0),
    avg_score numeric(5, 2) not null check (avg_score between 0 and 100),
    primary key (class_id, date),
    check (present_count + absent_count = students_with_attendance)
);
comment on table analytics.class_daily_performance is 'one class on one day; one row per class and day with an attendance record or an assessment of its students';
comment on column analytics.class_daily_performance.class_id is 'the class that the student was in on that day';
comment on column analytics.class_daily_performance.total_students is 'students active in the class on that day; one who is not may still have a record';
comment on column analytics.class_daily_performance.students_with_attendance is 'students with an attendance record of that day; one status each, presence wins';
comment on column analytics.class_daily_performance.present_count is 'of these PRESENT or LATE';
comment on column analytics.class_daily_performance.absent_count is 'of these ABSENT or EXCUSED';
comment on column analytics.class_daily_performance.attendance_rate is 'present_count / students_with_attendance, 0 to 1; 0 without a record, as in the source system';
comment on column analytics.class_daily_performance.students_with_assessment is 'students with an assessment of that day';
comment on column analytics.class_daily_performance.assessment_count is 'assessments of that day';
comment on column analytics.class_daily_performance.avg_score is 'mean score_percentage of these, percent; 0 without any, as in the source system';

create table analytics.student_performance_summary (
    student_id text collate "C" primary key,
    as_of date,
    full_name text,
    class_id text,
    is_active boolean not null,
    total_attendance_days bigint not null check (total_attendance_days >= 0),
    present_days bigint not null check (present_days >= 0),
    absent_days bigint not null check (absent_days >= 0),
    attendance_rate numeric(3, 2) not null check (attendance_rate between 0 and 1),
    total_assessments bigint not null check (total_assessments >= 0),
    avg_score numeric(5, 2) not null check (avg_score between 0 and 100),
    min_score numeric(14, 2) check (min_score >= 0),
    max_score numeric(14, 2) check (max_score >= min_score),
    check (present_days + absent_days = total_attendance_days)
);
comment on table analytics.student_performance_summary is 'attendance and assessments of one student; every active student has a row, and every other one with a record';
comment on column analytics.student_performance_summary.class_id is 'class now';
comment on column analytics.student_performance_summary.is_active is 'ACTIVE in the newest roster; true for a student in no roster';
comment on column analytics.student_performance_summary.total_attendance_days is 'days with an attendance record; one status per day, presence wins';
comment on column analytics.student_performance_summary.present_days is 'of these PRESENT or LATE';
comment on column analytics.student_performance_summary.absent_days is 'of these ABSENT or EXCUSED';
comment on column analytics.student_performance_summary.attendance_rate is 'present_days / total_attendance_days, 0 to 1; 0 without a record, as in the source system';
comment on column analytics.student_performance_summary.total_assessments is 'assessments, dated or not';
comment on column analytics.student_performance_summary.avg_score is 'mean score_percentage, percent; 0 without any, as in the source system';
comment on column analytics.student_performance_summary.min_score is 'lowest score, points';
comment on column analytics.student_performance_summary.max_score is 'highest score, points';

create table analytics.class_statistics (
    class_id text collate "C" primary key,
    as_of date,
    grade_level integer,
    total_students bigint not null check (total_students >= 0),
    active_students bigint not null check (active_students between 0 and total_students),
    attendance_days bigint not null check (attendance_days >= 0),
    attendance_rate numeric(3, 2) not null check (attendance_rate between 0 and 1),
    assessment_count bigint not null check (assessment_count >= 0),
    avg_score numeric(5, 2) not null check (avg_score between 0 and 100),
    median_score numeric(5, 2) check (median_score between 0 and 100),
    students_below_75_attendance bigint not null check (students_below_75_attendance >= 0),
    students_below_40_score bigint not null check (students_below_40_score >= 0)
);
comment on table analytics.class_statistics is 'one class over the whole time; one row per class of dim_classes';
comment on column analytics.class_statistics.class_id is 'CLASS-XX';
comment on column analytics.class_statistics.grade_level is 'of most of its students';
comment on column analytics.class_statistics.total_students is 'students whose class it is now';
comment on column analytics.class_statistics.active_students is 'of these the active ones';
comment on column analytics.class_statistics.attendance_days is 'days on which attendance was taken in the class';
comment on column analytics.class_statistics.attendance_rate is 'share of student-days present, by the class of the day, 0 to 1; 0 without a record';
comment on column analytics.class_statistics.assessment_count is 'dated assessments of its students while they were in the class';
comment on column analytics.class_statistics.avg_score is 'mean score_percentage of these, percent; 0 without any';
comment on column analytics.class_statistics.median_score is 'median score_percentage of these, percent; null without any';
comment on column analytics.class_statistics.students_below_75_attendance is 'active students of the class now who were present on less than 75 percent of their recorded days (not rounded: 0.746, shown as 0.75, counts)';
comment on column analytics.class_statistics.students_below_40_score is 'active students of the class now with a mean score under 40 percent (not rounded)';

create table analytics.daily_dashboard (
    date date primary key,
    as_of date,
    active_students bigint not null check (active_students >= 0),
    learning_events bigint not null check (learning_events >= 0),
    learning_hours numeric(38, 2) not null check (learning_hours >= 0),
    students_with_attendance bigint not null check (students_with_attendance >= 0),
    present_count bigint not null check (present_count >= 0),
    attendance_rate numeric(3, 2) not null check (attendance_rate between 0 and 1),
    assessment_count bigint not null check (assessment_count >= 0),
    avg_score numeric(5, 2) not null check (avg_score between 0 and 100),
    tickets_opened bigint not null check (tickets_opened >= 0),
    tickets_negative bigint not null check (tickets_negative between 0 and tickets_opened),
    tickets_resolved bigint not null check (tickets_resolved >= 0),
    enrollments bigint not null check (enrollments >= 0),
    fees_paid numeric(38, 2) not null check (fees_paid >= 0)
);
comment on table analytics.daily_dashboard is 'the whole school on one day; one row per day with an event, a record, an assessment, a ticket or an enrolment';
comment on column analytics.daily_dashboard.active_students is 'students with a learning event, an assessment, or presence in class';
comment on column analytics.daily_dashboard.learning_events is 'learning events of the day (UTC)';
comment on column analytics.daily_dashboard.learning_hours is 'time spent on them';
comment on column analytics.daily_dashboard.students_with_attendance is 'students with an attendance record; one status each, presence wins';
comment on column analytics.daily_dashboard.present_count is 'of these PRESENT or LATE';
comment on column analytics.daily_dashboard.attendance_rate is 'present_count / students_with_attendance, 0 to 1; 0 without a record';
comment on column analytics.daily_dashboard.assessment_count is 'assessments of the day';
comment on column analytics.daily_dashboard.avg_score is 'mean score_percentage of these, percent; 0 without any';
comment on column analytics.daily_dashboard.tickets_opened is 'support tickets created on the day';
comment on column analytics.daily_dashboard.tickets_resolved is 'support tickets resolved on the day';
comment on column analytics.daily_dashboard.enrollments is 'students enrolled on the day';
comment on column analytics.daily_dashboard.fees_paid is 'rupees, of these students';

create table analytics.data_quality (
    dataset text collate "C" not null,
    drop_date date not null,
    drop_number bigint not null check (drop_number > 0),
    column_name text collate "C" not null,
    rule text collate "C" not null,
    as_of date,
    read bigint not null check (read >= 0),
    changed bigint not null check (changed >= 0),
    flagged bigint not null check (flagged >= 0),
    rejected bigint not null check (rejected >= 0),
    flagged_rate numeric(5, 4) not null check (flagged_rate between 0 and 1),
    rejected_rate numeric(5, 4) not null check (rejected_rate between 0 and 1),
    primary key (dataset, drop_date, drop_number, column_name, rule)
);
comment on table analytics.data_quality is 'what each rule found in each staged drop; one row per drop, column and rule';
comment on column analytics.data_quality.drop_date is 'the day of the drop';
comment on column analytics.data_quality.drop_number is '1, 2, ...: the drops of one dataset and day, by path and then as they came; no drop_id, which depends on the order of arrival';
comment on column analytics.data_quality.column_name is 'the column cleaned; _record: the structure of the row';
comment on column analytics.data_quality.rule is 'the rule of pipeline/rules.py';
comment on column analytics.data_quality.read is 'rows of the drop';
comment on column analytics.data_quality.changed is 'values that the rule rewrote';
comment on column analytics.data_quality.flagged is 'values with a soft problem';
comment on column analytics.data_quality.rejected is 'rows that the column rejected';
comment on column analytics.data_quality.flagged_rate is 'flagged / read, 0 to 1';
comment on column analytics.data_quality.rejected_rate is 'rejected / read, 0 to 1';
comment on column analytics.daily_dashboard.tickets_negative is 'of those opened, the ones that sound negative, by the rules (warehouse.ai_ticket_analysis)';

create table analytics.ai_quality (
    dataset text collate "C" primary key,
    rows_read bigint not null check (rows_read >= 0),
    rejected bigint not null check (rejected >= 0),
    duplicates bigint not null check (duplicates >= 0),
    severity text not null check (severity in ('ok', 'watch', 'act')),
    summary text not null,
    root_causes text not null,
    recommendations text not null,
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    _input text not null,
    check ((source = 'llm') = (reason = '')),
    check ((source = 'llm') = (model is not null and prompt_version is not null))
);
comment on table analytics.ai_quality is 'one row per dataset: why rows went wrong, and what to mend';
comment on column analytics.ai_quality.dataset is 'name of the dataset';
comment on column analytics.ai_quality.rows_read is 'rows of all accepted drops';
comment on column analytics.ai_quality.rejected is 'of these, rejected';
comment on column analytics.ai_quality.duplicates is 'of these, repeated within their drop';
comment on column analytics.ai_quality.severity is 'ok; watch: look at it some time; act: before the next file is sent';
comment on column analytics.ai_quality.summary is 'in a few sentences; a language model may word it';
comment on column analytics.ai_quality.root_causes is 'why, and in which column; what touches most rows first';
comment on column analytics.ai_quality.recommendations is 'what to do at the source; a language model may word it';
comment on column analytics.ai_quality.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column analytics.ai_quality.reason is 'why it is the rules'': llm_off, no_key, or what went wrong with the model''s answer; empty for llm';
comment on column analytics.ai_quality.model is 'which model; null for rules';
comment on column analytics.ai_quality.prompt_version is 'version of the prompt in agents/prompts; null for rules';
comment on column analytics.ai_quality._input is 'digest of what was analysed, and by what: equal, it is not analysed again';

create table analytics.ai_insights (
    kind text not null check (kind in ('summary', 'metric', 'anomaly', 'action')),
    place integer not null check (place > 0),
    as_of date,
    name text,
    wording text not null,
    value numeric(20, 2),
    previous numeric(20, 2),
    unit text,
    mart text,
    better text check (better in ('up', 'down')),
    source text not null check (source in ('rules', 'llm')),
    reason text not null,
    model text,
    prompt_version text,
    primary key (kind, place),
    check ((source = 'llm') = (reason = '')),
    check ((source = 'llm') = (model is not null and prompt_version is not null))
);
comment on table analytics.ai_insights is 'one row per line of the executive summary (output/insights.md)';
comment on column analytics.ai_insights.kind is 'summary: a line; metric: a number, now and before; anomaly: what stands out; action: what to do';
comment on column analytics.ai_insights.place is 'order within the kind';
comment on column analytics.ai_insights.name is 'of the metric, or code of the anomaly';
comment on column analytics.ai_insights.wording is 'the line, or what the metric is called; a language model may word summary and actions';
comment on column analytics.ai_insights.value is 'of the metric, in the 7 days that end with as_of';
comment on column analytics.ai_insights.previous is 'of the metric, in the 7 days before; null where it is not known';
comment on column analytics.ai_insights.unit is 'of value and previous: percent, count, hours or points';
comment on column analytics.ai_insights.mart is 'where it was read from';
comment on column analytics.ai_insights.better is 'which direction is good; null = neither';
comment on column analytics.ai_insights.source is 'rules, or llm: a language model, whose answer the rules accepted';
comment on column analytics.ai_insights.reason is 'why it is the rules'': llm_off, no_key, or what went wrong with the model''s answer; empty for llm';
comment on column analytics.ai_insights.model is 'which model; null for rules';
comment on column analytics.ai_insights.prompt_version is 'version of the prompt in agents/prompts; null for rules';
