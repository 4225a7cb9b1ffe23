-- one row per program that a record names. key: program_key of program_id. reads: staging.programs_seen
-- each next program by index: twelve look-ups, not a reading of every enrolment
with recursive programs as (
    select min(key) as program_id from staging.programs_seen
    union all
    select (select min(s.key) from staging.programs_seen as s where s.key > p.program_id)
    from programs as p
    where p.program_id is not null
)
select
    warehouse.key(program_id) as program_key,
    program_id
from programs
where program_id is not null
