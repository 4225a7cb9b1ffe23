create view warehouse.facts_lacking as
select 'fact_assessments' as fact, assessment_id::text as key
from warehouse.fact_assessments
where assessment_id is null or student_key is null or date_key is null or score is null or max_score is null
union all
select 'fact_attendance' as fact, attendance_id::text as key
from warehouse.fact_attendance
where attendance_id is null or student_key is null or date_key is null or attendance_date is null or status is null
union all
select 'fact_feedback' as fact, feedback_id::text as key
from warehouse.fact_feedback
where feedback_id is null or student_key is null or date_key is null or rating is null
union all
select 'fact_student_progress' as fact, event_id::text as key
from warehouse.fact_student_progress
where event_id is null or student_key is null or date_key is null
union all
select 'fact_enrollments' as fact, student_key::text as key
from warehouse.fact_enrollments
where student_key is null or date_key is null or payment_status is null
union all
select 'fact_support_tickets' as fact, ticket_id::text as key
from warehouse.fact_support_tickets
where ticket_id is null or student_key is null or created_date_key is null or resolved_date_key is null;
comment on view warehouse.facts_lacking is 'rows of facts that lack what no staged row lacks; there are none';
comment on column warehouse.facts_lacking.fact is 'the fact';
comment on column warehouse.facts_lacking.key is 'the key of its row';
