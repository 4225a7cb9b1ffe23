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
