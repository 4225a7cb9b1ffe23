-- error: every fact has exactly one row per row of staging that it stands for (`eduflow verify` mends one that has not)
-- one row per fact with more or fewer. reads: warehouse.fact_*, staging.stg_*, etl.targets
-- a fact made from older rows of staging is not looked at: another run is about to make it anew
with counts (fact, fact_rows, source, source_rows) as (
    select
        'warehouse.fact_student_progress', (select count(*) from warehouse.fact_student_progress),
        'staging.stg_progress', (select count(*) from staging.stg_progress)
    union all
    select
        'warehouse.fact_enrollments', (select count(*) from warehouse.fact_enrollments),
        'staging.stg_enrollments', (select count(*) from staging.stg_enrollments)
    union all
    select
        'warehouse.fact_support_tickets', (select count(*) from warehouse.fact_support_tickets),
        'staging.stg_tickets', (select count(*) from staging.stg_tickets)
    union all
    select
        'warehouse.fact_attendance', (select count(*) from warehouse.fact_attendance),
        'staging.stg_attendance', (select count(*) from staging.stg_attendance)
    union all
    select
        'warehouse.fact_assessments', (select count(*) from warehouse.fact_assessments),
        'staging.stg_assessments', (select count(*) from staging.stg_assessments)
)
select c.fact, c.fact_rows, c.source, c.source_rows
from counts as c
inner join etl.targets as f on c.fact = f.target
inner join etl.targets as s on c.source = s.target
where c.fact_rows <> c.source_rows and (f.consumed ->> c.source)::bigint = s.build
