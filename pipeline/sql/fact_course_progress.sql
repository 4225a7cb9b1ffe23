-- one row per student and course with an event. key: student_key, course_key
-- reads: warehouse.fact_student_progress, staging.stg_progress (which groups changed)
-- :stg_progress_since = the build consumed last time; 0 = everything
with touched as (
    select distinct
        warehouse.key(student_id) as student_key,
        warehouse.key(course_id) as course_key
    from staging.stg_progress
    where _build > :stg_progress_since and course_id is not null
)
select
    f.student_key,
    f.course_key,
    count(*) as events,
    round(coalesce(sum(f.duration_seconds), 0) / 60.0, 2) as minutes,
    count(distinct f.module_id) filter (where f.completion_percentage = 100) as modules_completed,
    round(avg(f.score), 2) as avg_score,
    max(f.completion_percentage) as completion_percentage,
    min(f.event_timestamp) as first_activity,
    max(f.event_timestamp) as last_activity
from touched as t
inner join warehouse.fact_student_progress as f using (student_key, course_key)
group by f.student_key, f.course_key
