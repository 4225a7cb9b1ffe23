-- one row per program of an enrolment. key: program_id. reads: staging.stg_enrollments
select distinct
    warehouse.key(program_id) as program_key,
    program_id
from staging.stg_enrollments
where program_id is not null
