-- error: amounts, scores and points lie where their rules put them
-- one row per changed row outside. reads: staging.*
select 'students_enrollment' as dataset, student_id as key, 'fee_paid' as "column"
from staging.stg_enrollments where _build > :stg_enrollments_since and fee_paid < 0
union all
select 'student_progress', event_id, 'score, completion_percentage or duration_seconds'
from staging.stg_progress
where _build > :stg_progress_since
    and (score not between 0 and 100 or completion_percentage not between 0 and 100 or duration_seconds < 0)
union all
select 'assessments', assessment_id, 'score or max_score'
from staging.stg_assessments
where _build > :stg_assessments_since and (max_score <= 0 or score not between 0 and max_score)
union all
select 'students', student_id, 'grade_level'
from staging.stg_students where grade_level <= 0
