create view staging.courses_seen as
select 'course_catalog' as dataset, 'course_id' as column_name, course_id as key, true as is_own, _build
from staging.stg_courses
union all
select 'student_feedback' as dataset, 'course_id' as column_name, course_id as key, false as is_own, _build
from staging.stg_feedback
where course_id is not null
union all
select 'student_progress' as dataset, 'course_id' as column_name, course_id as key, false as is_own, _build
from staging.stg_progress
where course_id is not null;
comment on view staging.courses_seen is 'which course a row names, over all datasets';
comment on column staging.courses_seen.dataset is 'name of the dataset';
comment on column staging.courses_seen.column_name is 'the column that names it';
comment on column staging.courses_seen.key is 'what it names';
comment on column staging.courses_seen.is_own is 'whether the row describes it, and not only names it';
