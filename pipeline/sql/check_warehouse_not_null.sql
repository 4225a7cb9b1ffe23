-- error: no fact lacks the student, the day or the measure it is there for
-- one row per fact that does. reads: warehouse.fact_*. Costs nothing while the columns are NOT NULL
select 'fact_student_progress' as fact, event_id as key
from warehouse.fact_student_progress where student_key is null or date_key is null
union all
select 'fact_course_progress', student_key || ' ' || course_key
from warehouse.fact_course_progress where events is null or minutes is null or modules_completed is null
union all
select 'fact_enrollments', student_key::text
from warehouse.fact_enrollments where date_key is null or payment_status is null
union all
select 'fact_support_tickets', ticket_id
from warehouse.fact_support_tickets
where student_key is null or created_date_key is null or resolved_date_key is null
union all
select 'fact_attendance', attendance_id
from warehouse.fact_attendance
where student_key is null or date_key is null or attendance_date is null or status is null or is_present is null
union all
select 'fact_assessments', assessment_id
from warehouse.fact_assessments
where student_key is null or date_key is null or score is null or max_score is null or score_percentage is null
