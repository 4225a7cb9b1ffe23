-- warning: the newest day of activity is not more than {stale_days} days older than the newest drop
-- one row when it is. reads: analytics.as_of, etl.drops
select a.as_of, d.newest
from analytics.as_of as a
cross join (select max(drop_date) as newest from etl.drops where status = 'staged') as d
where a.source = 'data' and a.as_of < d.newest - :stale_days
