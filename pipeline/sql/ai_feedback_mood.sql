-- one row per feedback: the comment to be read. key: feedback_id. reads: staging.stg_feedback
-- :stg_feedback_since = the build consumed last time; 0 = everything
select
    feedback_id,
    warehouse.key(student_id) as student_key,
    comment
from staging.stg_feedback
where _build > :stg_feedback_since
