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
comment on column analytics.daily_dashboard.tickets_negative is 'of those opened, the ones that sound negative, by the rules (warehouse.ai_ticket_analysis)';
comment on column analytics.daily_dashboard.tickets_resolved is 'support tickets resolved on the day';
comment on column analytics.daily_dashboard.enrollments is 'students enrolled on the day';
comment on column analytics.daily_dashboard.fees_paid is 'rupees, of these students';
