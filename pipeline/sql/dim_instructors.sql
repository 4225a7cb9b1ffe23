-- one row per instructor of the catalogue. key: instructor_name. reads: staging.stg_courses
select distinct
    warehouse.key(instructor_name) as instructor_key,
    instructor_name
from staging.stg_courses
where instructor_name is not null
