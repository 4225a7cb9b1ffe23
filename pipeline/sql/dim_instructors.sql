-- one row per instructor that a record names. key: instructor_key of instructor_name. reads: staging.instructors_seen
select
    warehouse.key(key) as instructor_key,
    key as instructor_name
from (select distinct key from staging.instructors_seen) as instructors
