-- one row per class, over the whole time. key: class_id
-- reads: warehouse.dim_classes, warehouse.dim_students, warehouse.dim_students_history, warehouse.fact_assessments,
-- analytics.class_daily_performance, analytics.student_performance_summary, analytics.as_of
-- records count in the class of their day; students in the class they are in now
with attendance as (
    select
        class_id,
        count(*) as days,
        sum(present_count) as present,
        sum(students_with_attendance) as student_days
    from analytics.class_daily_performance
    where students_with_attendance > 0
    group by class_id
),
-- how often each score was reached: few rows to order, and the median is where half of them are passed
scores as (
    select h.class_id, f.score_percentage as score, count(*) as times
    from warehouse.fact_assessments as f
    inner join warehouse.dim_students_history as h
        on f.student_key = h.student_key and h.valid_from <= f.assessment_date and f.assessment_date < h.valid_to
    where h.class_id is not null
    group by h.class_id, f.score_percentage
),
ordered as (
    select
        class_id, score, times,
        sum(times) over (partition by class_id) as of_all,
        sum(times) over (partition by class_id order by score) as up_to_here
    from scores
),
assessments as (
    select
        class_id,
        sum(times)::bigint as assessments,
        sum(score * times) / sum(times) as mean,
        -- of an even number the mean of the two in the middle
        (
            min(score) filter (where 2 * up_to_here >= of_all) + min(score) filter (where 2 * up_to_here > of_all)
        ) / 2 as median
    from ordered
    group by class_id
),
means as (
    select student_key, avg(score_percentage) as score
    from warehouse.fact_assessments
    group by student_key
),
students as (
    select
        s.class_id,
        count(*) as students,
        count(*) filter (where s.is_active) as active,
        -- not by the rounded rates: 0.746 is shown as 0.75
        count(*) filter (where s.is_active and 100 * p.present_days < :look_attendance * p.total_attendance_days) as often_absent,
        count(*) filter (where s.is_active and m.score < :look_score) as low_scorers
    from warehouse.dim_students as s
    left join analytics.student_performance_summary as p using (student_id)
    left join means as m using (student_key)
    where s.class_id is not null
    group by s.class_id
)
select
    c.class_id,
    (select as_of from analytics.as_of) as as_of,
    c.grade_level,
    coalesce(s.students, 0) as total_students,
    coalesce(s.active, 0) as active_students,
    coalesce(a.days, 0) as attendance_days,
    coalesce(round(a.present / a.student_days, 2), 0) as attendance_rate,
    coalesce(g.assessments, 0) as assessment_count,
    coalesce(round(g.mean, 2), 0) as avg_score,
    round(g.median, 2) as median_score,
    coalesce(s.often_absent, 0) as students_below_{look_attendance}_attendance,
    coalesce(s.low_scorers, 0) as students_below_{look_score}_score
from warehouse.dim_classes as c
left join students as s using (class_id)
left join attendance as a using (class_id)
left join assessments as g using (class_id)
