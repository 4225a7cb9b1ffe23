-- one row per staged drop, column and rule: what the rule found
-- key: dataset, drop_date, drop_number, column_name, rule. reads: analytics.as_of, etl.drops, etl.rule_stats
-- a drop is called by its day and its place among those of the day: drop_id depends on the order of arrival
with drops as (
    select
        drop_id, dataset, drop_date, read,
        row_number() over (partition by dataset, drop_date order by path, drop_id) as drop_number
    from etl.drops
    where status = 'staged'
)
select
    d.dataset,
    d.drop_date,
    d.drop_number,
    s."column" as column_name,
    s.rule,
    t.as_of,
    d.read,
    s.changed,
    s.flagged,
    s.rejected,
    coalesce(round(s.flagged::numeric / nullif(d.read, 0), 4), 0) as flagged_rate,
    coalesce(round(s.rejected::numeric / nullif(d.read, 0), 4), 0) as rejected_rate
from drops as d
inner join etl.rule_stats as s using (drop_id)
cross join analytics.as_of as t
