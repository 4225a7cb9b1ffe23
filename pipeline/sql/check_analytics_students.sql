-- error: student_360 has every student once, and the summary every active one
-- one row per student that a mart lacks, or knows alone. reads: warehouse.dim_students, analytics.student_360,
-- analytics.student_performance_summary
select 'student_360' as mart, coalesce(s.student_id, m.student_id) as student_id
from warehouse.dim_students as s
full join analytics.student_360 as m using (student_id)
where s.student_id is null or m.student_id is null
union all
select 'student_performance_summary', s.student_id
from warehouse.dim_students as s
left join analytics.student_performance_summary as m using (student_id)
where s.is_active and m.student_id is null
