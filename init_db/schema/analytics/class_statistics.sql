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
    students_below_{look_attendance}_attendance bigint not null check (students_below_{look_attendance}_attendance >= 0),
    students_below_{look_score}_score bigint not null check (students_below_{look_score}_score >= 0)
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
comment on column analytics.class_statistics.students_below_{look_attendance}_attendance is 'active students of the class now who were present on less than {look_attendance} percent of their recorded days (the share is not rounded)';
comment on column analytics.class_statistics.students_below_{look_score}_score is 'active students of the class now with a mean score under {look_score} percent (not rounded)';
