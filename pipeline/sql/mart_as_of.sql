-- one row: the day that time-relative measures refer to. key: only_row
-- reads: warehouse.fact_student_progress, warehouse.fact_attendance, warehouse.fact_assessments, warehouse.dim_date,
-- etl.drops
-- the configured day (:as_of), else the latest day on which at least two students were active: a learning event (UTC),
-- an assessment, or presence in class; not later than the day the newest file of these came, wherever on earth
with active as (
    select date_key, min(student_key) as first_student, max(student_key) as last_student
    from warehouse.fact_student_progress
    group by date_key
    union all
    select date_key, min(student_key), max(student_key)
    from warehouse.fact_attendance
    where is_present
    group by date_key
    union all
    select date_key, min(student_key), max(student_key)
    from warehouse.fact_assessments
    group by date_key
),
active_days as (
    select date_key
    from active
    where date_key > 0
    group by date_key
    having min(first_student) < max(last_student)
),
latest as (
    select max(d.date) as day
    from active_days
    inner join warehouse.dim_date as d using (date_key)
    where d.date <= (
        select max((landed_at at time zone 'utc' + interval '14 hours')::date)
        from etl.drops
        where status = 'staged' and dataset in ('student_progress', 'attendance', 'assessments')
    )
)
select
    true as only_row,
    coalesce(cast(:as_of as date), latest.day) as as_of,
    case when cast(:as_of as date) is null then 'data' else 'configuration' end as source
from latest
