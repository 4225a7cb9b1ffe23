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
    active_days_{activity_short} bigint not null check (active_days_{activity_short} between 0 and {activity_short}),
    active_days_{activity_long} bigint not null check (active_days_{activity_long} between 0 and {activity_long}),
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
comment on column analytics.student_360.enrollment_status is 'in this order: PENDING when an enrolled student''s payment is not COMPLETED; CHURNED without activity for {enrollment_churned} days or ever; INACTIVE for {enrollment_inactive}; else ACTIVE';
comment on column analytics.student_360.courses is 'courses with at least one learning event';
comment on column analytics.student_360.modules_completed is 'modules completed over all courses';
comment on column analytics.student_360.avg_completion is 'mean over the courses of the highest completion, percent';
comment on column analytics.student_360.avg_score is 'mean of the scored learning events, percent';
comment on column analytics.student_360.hours is 'time spent on learning events';
comment on column analytics.student_360.last_activity is 'last day up to as_of with a learning event (UTC), an assessment, or presence in class';
comment on column analytics.student_360.days_since_activity is 'days from last_activity to as_of; null without any activity';
comment on column analytics.student_360.active_days_{activity_short} is 'days with activity in the {activity_short} days that end with as_of';
comment on column analytics.student_360.active_days_{activity_long} is 'days with activity in the {activity_long} days that end with as_of';
comment on column analytics.student_360.tickets_open is 'support tickets that are not Resolved or Closed';
comment on column analytics.student_360.tickets_total is 'all support tickets';
comment on column analytics.student_360.attendance_rate is 'share of the recorded school days on which the student was present, 0 to 1; null without a record';
comment on column analytics.student_360.risk_score is '0 to 100: how likely to drop out (warehouse.ai_student_risk)';
comment on column analytics.student_360.risk_category is 'Low under {risk_medium}, Medium under {risk_high}, High under {risk_critical}, else Critical';
comment on column analytics.student_360.risk_factors is 'what gave the points, separated by commas; empty without any';
