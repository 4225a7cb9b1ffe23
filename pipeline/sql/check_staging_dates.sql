-- error: no day in staging lies before 1950 or after the drop that says so
-- one row per changed row with such a day. reads: staging.*, etl.drops
select s.dataset, s.key, s.day, d.drop_date
from (
    select 'students_enrollment' as dataset, student_id as key, greatest(dob, enrollment_date) as day, _drop_id
    from staging.stg_enrollments where _build > :stg_enrollments_since
    union all
    select 'student_progress', event_id, (event_timestamp at time zone 'UTC')::date, _drop_id
    from staging.stg_progress where _build > :stg_progress_since
    union all
    select 'support_tickets', ticket_id, greatest(created_date, resolved_date), _drop_id
    from staging.stg_tickets where _build > :stg_tickets_since
    union all
    select 'attendance', attendance_id, attendance_date, _drop_id
    from staging.stg_attendance where _build > :stg_attendance_since
    union all
    select 'assessments', assessment_id, assessment_date, _drop_id
    from staging.stg_assessments where _build > :stg_assessments_since
) as s
inner join etl.drops as d on s._drop_id = d.drop_id
where s.day < date '1950-01-01' or s.day > d.drop_date
