-- error: every current row of a student is a version of the history too
-- one row per changed student row without its version. reads: staging.stg_enrollments, staging.stg_students
select 'students_enrollment' as dataset, s.student_id, s._drop_id as drop_id, s._line as line
from staging.stg_enrollments as s
where s._build > :stg_enrollments_since and not exists (
    select from staging.student_versions as v
    where (v.student_id, v.dataset, v._drop_id, v._line)
        = (s.student_id, 'students_enrollment', s._drop_id, s._line)
)
union all
select 'students', s.student_id, s._drop_id, s._line
from staging.stg_students as s
where not exists (
    select from staging.student_versions as v
    where (v.student_id, v.dataset, v._drop_id, v._line) = (s.student_id, 'students', s._drop_id, s._line)
)
