create view staging.classes_seen as
select 'students' as dataset, 'class_id' as column_name, class_id as key, false as is_own, _build
from staging.stg_students
where class_id is not null;
comment on view staging.classes_seen is 'which class a row names, over all datasets';
comment on column staging.classes_seen.dataset is 'name of the dataset';
comment on column staging.classes_seen.column_name is 'the column that names it';
comment on column staging.classes_seen.key is 'what it names';
comment on column staging.classes_seen.is_own is 'whether the row describes it, and not only names it';
