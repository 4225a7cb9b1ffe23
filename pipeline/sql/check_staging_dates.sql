-- error: no day in staging lies before {dates_earliest} or after the drop that says so
-- one row per changed row with such a day. reads: staging.days_seen, etl.drops
select s.dataset, s.key, s.earliest, s.latest, d.drop_date
from staging.days_seen as s
inner join etl.drops as d on s._drop_id = d.drop_id
where s._build > (cast(:since as jsonb) ->> s.dataset)::bigint
    and (s.earliest < make_date(:dates_earliest, 1, 1) or s.latest > d.drop_date)
