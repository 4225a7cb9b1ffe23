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
