-- error: every student with a profile has one current version, no gap between versions, and the class that dim_students says
-- one row per student for whom it is not so. reads: warehouse.dim_students_history, warehouse.dim_students
with spans as (
    select
        student_key, valid_from, is_current,
        lag(valid_to, 1, date '-infinity') over (partition by student_key order by valid_from) as before
    from warehouse.dim_students_history
),
broken as (
    select student_key, 'a gap between versions, or not one current' as problem
    from spans
    group by student_key
    having bool_or(valid_from <> before) or count(*) filter (where is_current) <> 1
)
select student_key, problem from broken
union all
select s.student_key, 'dim_students says otherwise'
from warehouse.dim_students as s
left join warehouse.dim_students_history as h on s.student_key = h.student_key and h.is_current
where not s.is_inferred
    and (s.class_id, s.grade_level, s.is_active, s.full_name)
        is distinct from (h.class_id, h.grade_level, h.is_active, h.full_name)
