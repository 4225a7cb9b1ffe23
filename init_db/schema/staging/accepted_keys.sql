create view staging.accepted_keys as
select 'assessments' as dataset, assessment_id as key, _drop_id, _line from staging.stg_assessments
union all
select 'attendance' as dataset, attendance_id as key, _drop_id, _line from staging.stg_attendance
union all
select 'city_master' as dataset, city_name as key, _drop_id, _line from staging.stg_cities
union all
select 'course_catalog' as dataset, course_id as key, _drop_id, _line from staging.stg_courses
union all
select 'student_feedback' as dataset, feedback_id as key, _drop_id, _line from staging.stg_feedback
union all
select 'student_progress' as dataset, event_id as key, _drop_id, _line from staging.stg_progress
union all
select 'students' as dataset, student_id as key, _drop_id, _line from staging.stg_students
union all
select 'students_enrollment' as dataset, student_id as key, _drop_id, _line from staging.stg_enrollments
union all
select 'support_tickets' as dataset, ticket_id as key, _drop_id, _line from staging.stg_tickets;
comment on view staging.accepted_keys is 'the newest accepted record of every key, over all datasets';
comment on column staging.accepted_keys.dataset is 'name of the dataset';
comment on column staging.accepted_keys.key is 'the natural key of its row';
