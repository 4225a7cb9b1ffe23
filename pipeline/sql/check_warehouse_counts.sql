-- error: every fact has exactly one row per row of staging that it stands for (`eduflow verify` mends one that has not)
-- one row per fact with more or fewer. reads: warehouse.facts_counted, etl.targets
-- a fact made from older rows of staging is not looked at: another run is about to make it anew
select c.fact, c.fact_rows, c.source, c.source_rows
from warehouse.facts_counted as c
inner join etl.targets as f on c.fact = f.target
inner join etl.targets as s on c.source = s.target
where c.fact_rows <> c.source_rows and (f.consumed ->> c.source)::bigint = s.build
