-- warning: no record names a student or course that no master data knows
-- one row per inferred member. reads: warehouse.dim_students, warehouse.dim_courses
select 'student' as kind, student_id as id from warehouse.dim_students where is_inferred
union all
select 'course', course_id from warehouse.dim_courses where is_inferred
