-- one row per assessed piece of work. key: assessment_id. reads: staging.stg_assessments
-- :stg_assessments_since = the build consumed last time; 0 = everything
select
    assessment_id,
    warehouse.key(student_id) as student_key,
    warehouse.date_key(assessment_date) as date_key,
    assessment_date,
    subject,
    score,
    max_score,
    round(100 * score / max_score, 2) as score_percentage
from staging.stg_assessments
where _build > :stg_assessments_since
order by student_key, assessment_date
