-- What a snapshot lacks is gone: for each snapshot drop, from which day on the keys that it was the last to name are inactive.
-- The drops of one date (the last per path) are together the whole truth at that date. A date with rejected rows, and a
-- reject file sent back (partial), add and correct but deactivate nobody. Derived from dates, so late drops are safe.
create view staging.snapshot_ends as
with accepted as (
    select drop_id, dataset, path, drop_date, rejected, partial
    from etl.drops
    where status = 'staged'
),
whole as (
    select distinct on (dataset, drop_date, path) dataset, drop_date, drop_id, rejected
    from accepted
    where not partial
    order by dataset, drop_date, path, drop_id desc
),
complete_dates as (
    select dataset, drop_date
    from whole
    group by dataset, drop_date
    having sum(rejected) = 0
)
select
    a.dataset,
    a.drop_id,
    min(c.drop_date) as vanished_on
from accepted as a
inner join complete_dates as c
    on a.dataset = c.dataset
    and (
        c.drop_date > a.drop_date
        or (
            -- a later file of the same path and day replaced this one
            c.drop_date = a.drop_date and not a.partial
            and a.drop_id not in (select drop_id from whole)
        )
    )
group by a.dataset, a.drop_id;
comment on view staging.snapshot_ends is 'per snapshot drop: the first later complete snapshot, when keys not seen since are inactive';
comment on column staging.snapshot_ends.vanished_on is 'from this day on, a key that this drop was the last to name is inactive';
