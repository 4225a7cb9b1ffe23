-- one row per class that any roster named, or another record names. key: class_key of class_id
-- reads: staging.student_versions, staging.classes_seen
with grades as (
    select class_id, drop_date, grade_level, count(*) as students
    from staging.student_versions
    where dataset = 'students' and class_id is not null
    group by class_id, drop_date, grade_level
),
-- of the newest roster that named the class the grade of most, of several alike the lowest
newest as (
    select distinct on (class_id) class_id, grade_level
    from grades
    order by class_id, drop_date desc, grade_level is null, students desc, grade_level
)
select
    warehouse.key(class_id) as class_key,
    class_id,
    n.grade_level
from newest as n
full join (select distinct key as class_id from staging.classes_seen) as s using (class_id)
