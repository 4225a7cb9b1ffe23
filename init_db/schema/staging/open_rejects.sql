-- A reject is open until a later record with its key was accepted (from a later drop, or later in the same one), a row
-- that names its line was, or a person refused it for good.
create view staging.open_rejects as
select r.drop_id, r.line, r.dataset, r.key, r.reasons
from etl.rejects as r
inner join etl.drops as d on r.drop_id = d.drop_id
where r.outcome = 'rejected' and d.status = 'staged'
and not exists (select from etl.settled as s where (s.drop_id, s.line) = (r.drop_id, r.line))
and not exists (select from staging.mended_rejects as m where (m.drop_id, m.line) = (r.drop_id, r.line))
and not exists (
    select from staging.accepted_keys as k
    inner join etl.drops as n on k._drop_id = n.drop_id
    where k.dataset = r.dataset and k.key = r.key
    and (n.drop_date, n.drop_id, k._line) > (d.drop_date, d.drop_id, r.line)
);
comment on view staging.open_rejects is 'rejected rows that nobody has put right or refused yet';
