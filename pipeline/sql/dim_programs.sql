-- one row per program of an enrolment. key: program_id. reads: staging.stg_enrollments
select
    warehouse.key(program_id) as program_key,
    program_id
from (select distinct program_id from staging.stg_enrollments) as programs
where program_id is not null
