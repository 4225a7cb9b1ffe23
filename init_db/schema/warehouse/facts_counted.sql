create view warehouse.facts_counted as
select 'warehouse.fact_assessments' as fact, (select count(*) from warehouse.fact_assessments) as fact_rows,
    'staging.stg_assessments' as source, (select count(*) from staging.stg_assessments) as source_rows
union all
select 'warehouse.fact_attendance' as fact, (select count(*) from warehouse.fact_attendance) as fact_rows,
    'staging.stg_attendance' as source, (select count(*) from staging.stg_attendance) as source_rows
union all
select 'warehouse.fact_feedback' as fact, (select count(*) from warehouse.fact_feedback) as fact_rows,
    'staging.stg_feedback' as source, (select count(*) from staging.stg_feedback) as source_rows
union all
select 'warehouse.fact_student_progress' as fact, (select count(*) from warehouse.fact_student_progress) as fact_rows,
    'staging.stg_progress' as source, (select count(*) from staging.stg_progress) as source_rows
union all
select 'warehouse.fact_enrollments' as fact, (select count(*) from warehouse.fact_enrollments) as fact_rows,
    'staging.stg_enrollments' as source, (select count(*) from staging.stg_enrollments) as source_rows
union all
select 'warehouse.fact_support_tickets' as fact, (select count(*) from warehouse.fact_support_tickets) as fact_rows,
    'staging.stg_tickets' as source, (select count(*) from staging.stg_tickets) as source_rows;
comment on view warehouse.facts_counted is 'per fact of one dataset its rows, and those of staging that it stands for';
comment on column warehouse.facts_counted.fact is 'the fact';
comment on column warehouse.facts_counted.fact_rows is 'its rows';
comment on column warehouse.facts_counted.source is 'the staged table of its dataset';
comment on column warehouse.facts_counted.source_rows is 'the rows of that, without those that were taken away';
