-- error: every fact has exactly one row per row of staging that it stands for
-- one row per fact with more or fewer. reads: etl.targets
with pairs (fact, source) as (
    values
    ('warehouse.fact_student_progress', 'staging.stg_progress'),
    ('warehouse.fact_enrollments', 'staging.stg_enrollments'),
    ('warehouse.fact_support_tickets', 'staging.stg_tickets'),
    ('warehouse.fact_attendance', 'staging.stg_attendance'),
    ('warehouse.fact_assessments', 'staging.stg_assessments')
)
select p.fact, f.rows as fact_rows, p.source, s.rows as source_rows
from pairs as p
inner join etl.targets as f on p.fact = f.target
inner join etl.targets as s on p.source = s.target
where f.rows is distinct from s.rows
