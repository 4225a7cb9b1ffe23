create view staging.instructors_seen as
select 'course_catalog' as dataset, 'instructor_name' as column_name, instructor_name as key, false as is_own, _build
from staging.stg_courses
where instructor_name is not null;
comment on view staging.instructors_seen is 'which instructor a row names, over all datasets';
comment on column staging.instructors_seen.dataset is 'name of the dataset';
comment on column staging.instructors_seen.column_name is 'the column that names it';
comment on column staging.instructors_seen.key is 'what it names';
comment on column staging.instructors_seen.is_own is 'whether the row describes it, and not only names it';
