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
