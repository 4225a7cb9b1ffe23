-- one row per class that any roster named. key: class_id. reads: staging.student_versions
with grades as (
    select class_id, drop_date, grade_level, count(*) as students
    from staging.student_versions
    where dataset = 'students' and class_id is not null
    group by class_id, drop_date, grade_level
)
-- of the newest roster that named the class the grade of most, of several alike the lowest
select distinct on (class_id)
    warehouse.key(class_id) as class_key,
    class_id,
    grade_level
from grades
order by class_id, drop_date desc, grade_level is null, students desc, grade_level
