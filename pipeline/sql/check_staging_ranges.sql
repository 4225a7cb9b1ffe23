-- error: amounts, scores and points lie where their rules and the declared checks put them
-- one row per changed row outside. reads: staging.out_of_range
select dataset, key, column_names
from staging.out_of_range
where _build > (cast(:since as jsonb) ->> dataset)::bigint
