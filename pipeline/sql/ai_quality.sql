-- one row per dataset: what cleaning found in its accepted drops, as counts. key: dataset
-- reads: etl.drops, etl.rule_stats, etl.rejects, staging.flags_seen
with drops as (
    select dataset, sum(read)::bigint as rows_read, sum(rejected)::bigint as rejected, sum(duplicate)::bigint as duplicates
    from etl.drops
    where status = 'staged'
    group by dataset
),
rules as (
    select d.dataset, s."column", s.rule, sum(s.changed) as changed, sum(s.flagged) as flagged, sum(s.rejected) as rejected
    from etl.rule_stats as s
    inner join etl.drops as d using (drop_id)
    where d.status = 'staged'
    group by d.dataset, s."column", s.rule
),
rule_lists as (
    select dataset, jsonb_agg(jsonb_build_array("column", rule, changed, flagged, rejected) order by "column", rule) as rules
    from rules
    group by dataset
),
reasons as (
    select r.dataset, unnest(r.reasons) as reason
    from etl.rejects as r
    inner join etl.drops as d using (drop_id)
    where r.outcome = 'rejected' and d.status = 'staged'
    union all
    select dataset, unnest(flags) from staging.flags_seen
),
reason_lists as (
    select dataset, jsonb_agg(jsonb_build_array(reason, rows) order by reason) as reasons
    from (select dataset, reason, count(*) as rows from reasons group by dataset, reason) as counted
    group by dataset
)
select
    d.dataset, d.rows_read, d.rejected, d.duplicates,
    coalesce(l.rules, '[]') as rules,
    coalesce(r.reasons, '[]') as reasons
from drops as d
left join rule_lists as l using (dataset)
left join reason_lists as r using (dataset)
