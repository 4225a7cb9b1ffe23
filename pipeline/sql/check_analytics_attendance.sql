-- error: no day has more students with attendance in its classes than in the whole school
-- one row per such day. reads: analytics.class_daily_performance, analytics.daily_dashboard
select c.date, c.in_classes, coalesce(d.students_with_attendance, 0) as in_school
from (
    select date, sum(students_with_attendance) as in_classes
    from analytics.class_daily_performance
    where date between '2000-01-01' and '2050-12-31'
    group by date
) as c
left join analytics.daily_dashboard as d using (date)
where c.in_classes > coalesce(d.students_with_attendance, 0)
