create table warehouse.dim_classes (
    class_key bigint primary key,
    class_id text collate "C" not null unique,
    grade_level integer check (grade_level > 0)
);
comment on table warehouse.dim_classes is 'one row per class that any roster named';
comment on column warehouse.dim_classes.class_id is 'CLASS-XX';
comment on column warehouse.dim_classes.grade_level is 'of most of the students that were last seen in it; of several alike the lowest';
