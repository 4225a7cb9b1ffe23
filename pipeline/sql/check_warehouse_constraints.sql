-- error: the database itself enforces every declared key, foreign key and check of the warehouse
-- one row per constraint that is missing, or was never validated. reads: etl.foreign_keys, etl.targets, pg_constraint, pg_index
-- what is made after this check has its keys then
select k.table_name, k.name as "constraint", 'foreign key missing' as problem
from etl.foreign_keys as k
inner join etl.targets as t on k.table_name = t.target and t.fingerprint is not null
where not exists (
    select from pg_constraint as c where c.conrelid = to_regclass(k.table_name) and quote_ident(c.conname) = k.name
)
union all
select c.conrelid::regclass::text, c.conname, 'not validated'
from pg_constraint as c
inner join pg_class as r on c.conrelid = r.oid
where r.relnamespace = to_regnamespace('warehouse') and not c.convalidated
union all
select r.oid::regclass::text, r.relname, 'no valid primary key'
from pg_class as r
where r.relnamespace = to_regnamespace('warehouse') and r.relkind = 'r' and not exists (
    select from pg_index as i where i.indrelid = r.oid and i.indisprimary and i.indisvalid
)
