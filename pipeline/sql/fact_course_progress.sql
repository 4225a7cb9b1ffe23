-- one row per student and course with an event. key: student_key, course_key
-- reads: warehouse.fact_student_progress, staging.stg_progress (which groups changed)
-- :stg_progress_since = the build consumed last time; 0 = everything: then every group, without asking which changed
with touched as (
    select distinct
        warehouse.key(student_id) as student_key,
        warehouse.key(course_id) as course_key
    from staging.stg_progress
    where _build > :stg_progress_since and course_id is not null
),
events as (
    select student_key, course_key, duration_seconds, score, module_id, completion_percentage, event_timestamp
    from warehouse.fact_student_progress
    where :stg_progress_since = 0 and course_key is not null
    union all
    select
        student_key, course_key, f.duration_seconds, f.score, f.module_id, f.completion_percentage, f.event_timestamp
    from touched
    inner join warehouse.fact_student_progress as f using (student_key, course_key)
    where :stg_progress_since > 0
)
select
    student_key,
    course_key,
    count(*) as events,
    round(coalesce(sum(duration_seconds), 0) / 60.0, 2) as minutes,
    count(distinct module_id) filter (where completion_percentage = 100) as modules_completed,
    round(avg(score), 2) as avg_score,
    max(completion_percentage) as completion_percentage,
    min(event_timestamp) as first_activity,
    max(event_timestamp) as last_activity
from events
group by student_key, course_key
