-- error: rates lie within 0 and 1, percentages within 0 and 100
-- one row per row of a mart where one does not. reads: analytics.*
select 'class_daily_performance' as mart, class_id || ' ' || date as item
from analytics.class_daily_performance
where attendance_rate not between 0 and 1 or avg_score not between 0 and 100
union all
select 'student_performance_summary', student_id
from analytics.student_performance_summary
where attendance_rate not between 0 and 1 or avg_score not between 0 and 100
union all
select 'class_statistics', class_id
from analytics.class_statistics
where attendance_rate not between 0 and 1 or avg_score not between 0 and 100
union all
select 'daily_dashboard', date::text
from analytics.daily_dashboard
where attendance_rate not between 0 and 1 or avg_score not between 0 and 100
union all
select 'student_360', student_id
from analytics.student_360
where attendance_rate not between 0 and 1 or avg_score not between 0 and 100 or avg_completion not between 0 and 100
union all
select 'course_performance', course_id
from analytics.course_performance
where avg_score not between 0 and 100 or avg_completion not between 0 and 100
