-- What EduFlow made besides raw and the ledger, one by one. It replaces etl.schemas, which knew whole schemas only.
-- State: only ever migrated forward (a later state_NN file), never dropped.

create table if not exists etl.objects (
    name text primary key,
    kind text not null check (kind in ('schema', 'table', 'view', 'function')),
    oid oid not null,
    database text not null,
    digest text not null default '',
    comments text not null default '',
    parts text [],
    made_at timestamptz not null default now()
);
comment on table etl.objects is 'derived schemas, tables, views and functions that EduFlow made: nothing else is ever dropped';
comment on column etl.objects.name is 'with its schema';
comment on column etl.objects.kind is 'schema, table, view or function';
comment on column etl.objects.oid is 'its number in the catalogue: a table of the same name with another one is somebody else''s';
comment on column etl.objects.database is 'the server and database in which it has that number; in a copy the name counts';
comment on column etl.objects.digest is 'sha256 of the statements that made it (init_db/schema), without comments and layout';
comment on column etl.objects.comments is 'sha256 of its `comment on` statements';
comment on column etl.objects.parts is 'columns, indexes and constraints that it was made with: others are somebody else''s';
comment on column etl.objects.made_at is 'when it was made';

create table if not exists etl.reader_grants (
    role text not null,
    object text not null,
    primary key (role, object)
);
comment on table etl.reader_grants is 'rights that the setting reader_roles gave: taken back when a role leaves the setting';
comment on column etl.reader_grants.role is 'a role of the database server';
comment on column etl.reader_grants.object is 'the schema (usage), table or view (select)';

-- Relations that older code made by whole schemas. The digests are those of the last tables_NN files, by which a database
-- that these made keeps its tables; of older ones they are unknown, and the tables are made anew. `init_db.ownership`
-- fills in the numbers.
do $$
begin
    if to_regclass('etl.schemas') is null then
        return;
    end if;
    insert into etl.objects (name, kind, oid, database, digest)
    with made (schema, digest) as (
        select schema, digest from etl.schemas
        union all -- PostgreSQL's image was given the files: no run has written a row of the ledger
        select nspname, '' from pg_namespace
        where nspname in ('staging', 'warehouse', 'analytics')
        and not exists (select from etl.migrations where applied_at < now())
    ),
    released (schema, digest) as (
        values
        ('staging', '5f0700c72eefa81fe7d537385a3ef2dbaa2985dc41af2630927ef757c6b9deac'),
        ('warehouse', '663ba01c31bfbbbaba0eb512f1c4780def5e114ba1c55816247f022651bfed0c'),
        ('analytics', '041b9f38b9d1e86fe65c1ff1d585da2ad5c5dbc9c8b7856a6c0e3b2ba9b552d7')
    ),
    relations (name, kind, digest) as (
        values
        ('staging.stg_assessments', 'table', '7c8ddd552e9d127f2d883117ecc5cea11c711c2fcf5478c6a01d23d2cf487088'),
        ('staging.stg_attendance', 'table', '8ad382efd132b41119ace45750a4d8d53525a8093e7b71b591c7b02a0ae3cc6c'),
        ('staging.stg_cities', 'table', '0a0c26ea076f31765502414bdd3d474b1c8ccd44c7548a48066b222aae00b33d'),
        ('staging.stg_courses', 'table', '99ff527c22a4572f3f1a80f4d6cb0cc768732981ff76b80c256d8a18bff455e4'),
        ('staging.stg_enrollments', 'table', 'eba8d6db3027a7f8fe88ee5282cf5d1247b0016e54e2a3c6c2ec519eec26239b'),
        ('staging.stg_progress', 'table', '207dfbe9589640bfff0c503ee6464d85978a9ee356b7aaa36fe9c0ed230f754b'),
        ('staging.stg_students', 'table', '770aa86650ad7a6555fa4a3643edf4c610da62ee39b6eadb79725c1731076822'),
        ('staging.stg_tickets', 'table', '7c95698b53309be904ca249d3bb02a33b7ac711824a2e341fc6936f90a7aca88'),
        ('staging.accepted_keys', 'view', 'c47448d14f0e89e1e75f5fe29861f689f097dfb2c02c6ed317ea2023c41720b2'),
        ('staging.open_rejects', 'view', 'a0bd785fcd234c1fdb1105cb08851e994559027df6af8bcee89747467e7eda95'),
        ('staging.snapshot_ends', 'view', '74b13b42b41f966d2088b5b38f1005b53862b33d287ef7e9d3ab39f36fd08272'),
        ('staging.student_versions', 'table', '2c84fe4c0fa89e44de7b567703bd86c38e7f7474b09b3c2657f4fba8e31c027d'),
        ('warehouse.dim_classes', 'table', 'fcbe2a5e04c2189a6ef1391266b117a6bf9845ba363a57d15d91d95f217bcfe9'),
        ('warehouse.dim_students', 'table', '0eb6913a6b89ebc26c3b6532ff95a7c911572f5abbcede8afc73f12372ea6342'),
        ('warehouse.ai_student_risk', 'table', 'ddc26e9780c71e8dd8e5b7cf53426ad3bdad260d1ab863c9bf0046c192419442'),
        ('warehouse.dim_date', 'table', '766b439402abb02bd09ea6ab33c9041a2c2e6aef02053b6e44efce6656f07b29'),
        ('warehouse.fact_support_tickets', 'table', 'caf0b3e4ce48297af8c6212d39965e68adba2c2bb3bb56503b661530c4d95b3f'),
        ('warehouse.ai_ticket_analysis', 'table', '53c365551efb1f53185dded02792148433689e98a199fcf6d7c00d827851f0a3'),
        ('warehouse.date_key', 'function', '0c0a5f23ad9b2403152bbd709cdd67a63b7d35c0579f19781d46c43c5f10aaf5'),
        ('warehouse.dim_instructors', 'table', '443297b587fb8231e46f64c0445a813ee6c6d8b3a0df185272738a5b33ac0536'),
        ('warehouse.dim_courses', 'table', '49d9f6e16af7a1e741a94811519c65ad8919c4c298d2b5b284da041d2478e6ee'),
        ('warehouse.dim_programs', 'table', '7fa47e3404fc01f6bb06c766813a116eabee1de4ebdd1bfc8f4f5b3abe637715'),
        ('warehouse.dim_students_history', 'table', '8948ff1e604cae80868448277bbc8d62dc5aa09ff8f078c3da61f21d77ba2b6d'),
        ('warehouse.fact_assessments', 'table', 'f3f53ccdb64b88a0bf29f2b8c3d20abddbe9ba100d381e327c47d69890a3932f'),
        ('warehouse.fact_attendance', 'table', '96245de96e2c3cba7535d58758cfe399a999ea850ce1943a2a94e54ff5ec3b5c'),
        ('warehouse.fact_course_progress', 'table', 'c5526270159ddd7a7432441cff9fdfdd1a4256734f89cfa0e8537693d3f85354'),
        ('warehouse.fact_enrollments', 'table', '7a9db5e18d5c18a11a2a1c418544bac958dea39e1adbd61b60b77f19cffa849f'),
        ('warehouse.fact_student_progress', 'table', 'eefd0829dcf2143998cb0b9218813a579c053ea11159242b68a4424e629b9843'),
        ('warehouse.key', 'function', '316c879341637409ce8f34e3aaa77572cbe5ed4754c1bc2202ad9502eede1db6'),
        ('analytics.ai_insights', 'table', '4ef9168cacee0fb327ce1cb3e21b67dbd5ad419b6ad76c8c358bd26976e3869e'),
        ('analytics.ai_quality', 'table', '1ad80d2ba000deedbc1b5e125d684e39616e9dc3cfe876625108c065e456abb0'),
        ('analytics.as_of', 'table', 'a6c0437ba11f9600b24861af6266f55a1694e9d895b131b0af3ff1f63c61c423'),
        ('analytics.class_daily_performance', 'table', 'f7285d44eaafa820faeca85124420cffd2cf2dac86ee52352a5c607eddc3f835'),
        ('analytics.class_statistics', 'table', '621c9086d78591e8b913b51f3feca1e3d404840a89eb11bcf79e26b1c191a1cd'),
        ('analytics.course_performance', 'table', '61f79ad5b02e13e6967d667617b999b49c17d1f46aa5fea95794245c56d0ceba'),
        ('analytics.daily_dashboard', 'table', '65d387b8bb79d30d02658e179c2f84bf365e249048241437802ed2effdde1d12'),
        ('analytics.data_quality', 'table', 'fda785f695cec5f6d014f8340098845331ef74566d866e7c4503a1ccc1413549'),
        ('analytics.review_queue', 'table', 'b828a586b71c593ddd7e51d429613830f3edf43c22721c24b3db9b7b0435989a'),
        ('analytics.student_360', 'table', '9eaf34f0034fa9d542ee91676feb6198914aa99e6c93d76ce76efff1e169e126'),
        ('analytics.student_performance_summary', 'table', 'fef94171f5bd3f0bdbc852dd4d894bab39a0f840561dcc871037554990c68e8f')
    )
    select schema, 'schema', 0::oid, '', '' from made
    union all
    select r.name, r.kind, 0::oid, '', case when l.schema is null then '' else r.digest end
    from relations as r
    inner join made as m on split_part(r.name, '.', 1) = m.schema
    left join released as l on (l.schema, l.digest) = (m.schema, m.digest)
    union all -- whatever else older code made
    select s.schema || '.' || c.relname, case c.relkind when 'v' then 'view' else 'table' end, 0::oid, '', ''
    from etl.schemas as s
    cross join unnest(s.relations) as r (name)
    inner join pg_class as c on c.oid = to_regclass(quote_ident(s.schema) || '.' || quote_ident(r.name))
    where not exists (select from relations as known where known.name = s.schema || '.' || c.relname)
    on conflict do nothing;
    drop table etl.schemas;
end
$$;
