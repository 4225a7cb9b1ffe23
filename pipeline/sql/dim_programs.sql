-- one row per program of an enrolment. key: program_id. reads: staging.stg_enrollments
-- each next program by index: twelve look-ups, not a reading of every enrolment
with recursive programs as (
    select min(program_id) as program_id from staging.stg_enrollments
    union all
    select (select min(e.program_id) from staging.stg_enrollments as e where e.program_id > p.program_id)
    from programs as p
    where p.program_id is not null
)
select
    warehouse.key(program_id) as program_key,
    program_id
from programs
where program_id is not null
