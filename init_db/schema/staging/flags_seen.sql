create view staging.flags_seen as
select 'assessments' as dataset, assessment_id as key, flags, quality_score
from staging.stg_assessments
where flags <> '{}'
union all
select 'attendance' as dataset, attendance_id as key, flags, quality_score
from staging.stg_attendance
where flags <> '{}'
union all
select 'city_master' as dataset, city_name as key, flags, quality_score
from staging.stg_cities
where flags <> '{}'
union all
select 'course_catalog' as dataset, course_id as key, flags, quality_score
from staging.stg_courses
where flags <> '{}'
union all
select 'student_feedback' as dataset, feedback_id as key, flags, quality_score
from staging.stg_feedback
where flags <> '{}'
union all
select 'student_progress' as dataset, event_id as key, flags, quality_score
from staging.stg_progress
where flags <> '{}'
union all
select 'students' as dataset, student_id as key, flags, quality_score
from staging.stg_students
where flags <> '{}'
union all
select 'students_enrollment' as dataset, student_id as key, flags, quality_score
from staging.stg_enrollments
where flags <> '{}'
union all
select 'support_tickets' as dataset, ticket_id as key, flags, quality_score
from staging.stg_tickets
where flags <> '{}';
comment on view staging.flags_seen is 'rows with flags, over all datasets';
comment on column staging.flags_seen.dataset is 'name of the dataset';
comment on column staging.flags_seen.key is 'the natural key of its row';
