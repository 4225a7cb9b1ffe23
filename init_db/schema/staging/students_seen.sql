create view staging.students_seen as
select 'assessments' as dataset, 'student_id' as column_name, student_id as key, false as is_own, _build
from staging.stg_assessments
union all
select 'attendance' as dataset, 'student_id' as column_name, student_id as key, false as is_own, _build
from staging.stg_attendance
union all
select 'student_feedback' as dataset, 'student_id' as column_name, student_id as key, false as is_own, _build
from staging.stg_feedback
union all
select 'student_progress' as dataset, 'student_id' as column_name, student_id as key, false as is_own, _build
from staging.stg_progress
union all
select 'students' as dataset, 'student_id' as column_name, student_id as key, true as is_own, _build
from staging.stg_students
union all
select 'students_enrollment' as dataset, 'student_id' as column_name, student_id as key, true as is_own, _build
from staging.stg_enrollments
union all
select 'support_tickets' as dataset, 'student_id' as column_name, student_id as key, false as is_own, _build
from staging.stg_tickets;
comment on view staging.students_seen is 'which student a row names, over all datasets';
comment on column staging.students_seen.dataset is 'name of the dataset';
comment on column staging.students_seen.column_name is 'the column that names it';
comment on column staging.students_seen.key is 'what it names';
comment on column staging.students_seen.is_own is 'whether the row describes it, and not only names it';
