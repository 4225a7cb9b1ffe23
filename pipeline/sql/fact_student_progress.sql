-- one row per learning event. key: event_id. reads: staging.stg_progress
-- :stg_progress_since = the build consumed last time; 0 = everything
select
    event_id,
    warehouse.key(student_id) as student_key,
    warehouse.key(course_id) as course_key,
    warehouse.date_key((event_timestamp at time zone 'UTC')::date) as date_key,
    event_type,
    event_timestamp,
    duration_seconds,
    score,
    module_id,
    completion_percentage
from staging.stg_progress
where _build > :stg_progress_since
-- a student's events side by side: they are summed together, and a day's events find their students' pages once
order by student_key, course_key
