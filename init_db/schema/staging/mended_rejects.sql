-- A row of a reject file that was sent back names the rejected row it mends: by the drop in the file's name, and by
-- reject_line. Accepted, it closes that one, and the ones that that one had itself been sent back for.
create view staging.mended_rejects as
with recursive named as (
    select n.drop_id, d.drop_id as mends
    from etl.drops as n
    inner join etl.drops as d
        on d.dataset = n.dataset
        and d.drop_id = substring(lower(n.path) from '[.]rejects-([0-9]{1,18})(?:[.]new(?:-[0-9]+)?)?[.][a-z.]+$')::bigint
    where n.partial and n.status = 'staged'
),
sent as (
    select _drop_id, _line, _extra from staging.raw_records where _drop_id = any(array(select drop_id from named))
),
lines as (
    select
        s._drop_id,
        s._line,
        n.mends as drop_id,
        case when s._extra ->> 'reject_line' ~ '^[0-9]{1,18}$' then (s._extra ->> 'reject_line')::bigint end as line
    from sent as s
    inner join named as n on s._drop_id = n.drop_id
),
mended as (
    select l.drop_id, l.line
    from lines as l
    where not exists (
        select from etl.rejects as r where (r.drop_id, r.line) = (l._drop_id, l._line) and r.outcome = 'rejected'
    )
    union
    select l.drop_id, l.line
    from mended as m
    inner join lines as l on (l._drop_id, l._line) = (m.drop_id, m.line)
)
select drop_id, line from mended where line is not null;
comment on view staging.mended_rejects is 'rejected rows whose mended row was accepted, by the line that it names';
comment on column staging.mended_rejects.drop_id is 'the drop of the rejected row';
comment on column staging.mended_rejects.line is 'the line of the rejected row';
