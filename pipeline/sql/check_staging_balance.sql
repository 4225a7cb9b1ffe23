-- error: staging shows exactly the rows that the ledger's drops account for
-- one row per dataset whose staged rows are not the sum of its drops' current rows. reads: etl.targets, etl.drops
with accounted as (
    select dataset, sum(current) as rows from etl.drops where status = 'staged' group by dataset
),
staged as (
    select replace(upstream.name, 'upstream:raw.', '') as dataset, t.rows
    from etl.targets as t
    cross join lateral jsonb_object_keys(t.parts) as upstream (name)
    where t.target like 'staging.%' and upstream.name like 'upstream:raw.%'
)
select
    s.dataset,
    s.rows as staged,
    coalesce(a.rows, 0) as accounted
from staged as s
left join accounted as a using (dataset)
where s.rows <> coalesce(a.rows, 0)
