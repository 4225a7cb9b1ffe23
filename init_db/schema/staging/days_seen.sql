create view staging.days_seen as
select 'assessments' as dataset, assessment_id as key, least(assessment_date, (created_at at time zone 'UTC')::date) as earliest, greatest(assessment_date, (created_at at time zone 'UTC')::date) as latest, _drop_id, _build
from staging.stg_assessments
union all
select 'attendance' as dataset, attendance_id as key, least(attendance_date, (created_at at time zone 'UTC')::date) as earliest, greatest(attendance_date, (created_at at time zone 'UTC')::date) as latest, _drop_id, _build
from staging.stg_attendance
union all
select 'student_feedback' as dataset, feedback_id as key, (created_at at time zone 'UTC')::date as earliest, (created_at at time zone 'UTC')::date as latest, _drop_id, _build
from staging.stg_feedback
union all
select 'student_progress' as dataset, event_id as key, (event_timestamp at time zone 'UTC')::date as earliest, (event_timestamp at time zone 'UTC')::date as latest, _drop_id, _build
from staging.stg_progress
union all
select 'students' as dataset, student_id as key, (updated_at at time zone 'UTC')::date as earliest, (updated_at at time zone 'UTC')::date as latest, _drop_id, _build
from staging.stg_students
union all
select 'students_enrollment' as dataset, student_id as key, least(dob, enrollment_date) as earliest, greatest(dob, enrollment_date) as latest, _drop_id, _build
from staging.stg_enrollments
union all
select 'support_tickets' as dataset, ticket_id as key, least(created_date, resolved_date) as earliest, greatest(created_date, resolved_date) as latest, _drop_id, _build
from staging.stg_tickets;
comment on view staging.days_seen is 'the first and the last day that a row names, over all datasets';
comment on column staging.days_seen.dataset is 'name of the dataset';
comment on column staging.days_seen.key is 'the natural key of its row';
comment on column staging.days_seen.earliest is 'null when it names none';
comment on column staging.days_seen.latest is 'null when it names none';
