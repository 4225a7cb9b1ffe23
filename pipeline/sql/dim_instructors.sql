-- one row per instructor of the catalogue. key: instructor_name. reads: staging.stg_courses
select
    warehouse.key(instructor_name) as instructor_key,
    instructor_name
from (select distinct instructor_name from staging.stg_courses) as instructors
where instructor_name is not null
