-- warning: no drop of ten rows or more has a fifth of them rejected
-- one row per such drop. reads: etl.drops
select drop_id, dataset, drop_date, rejected, read
from etl.drops
where status = 'staged' and read >= 10 and rejected * 5 > read
