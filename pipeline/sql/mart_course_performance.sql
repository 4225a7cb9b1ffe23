-- one row per course: how it does. key: course_id
-- reads: analytics.as_of, warehouse.dim_courses, warehouse.dim_instructors, warehouse.fact_student_progress,
-- warehouse.fact_course_progress, warehouse.fact_enrollments
with events as (
    select
        course_key,
        round(avg(score), 2) as avg_score,
        round(sum(duration_seconds) / 3600.0, 2) as hours
    from warehouse.fact_student_progress
    where course_key is not null
    group by course_key
),
-- fact_course_progress has one row per student and course: what a student paid counts once in each of the courses
students as (
    select
        p.course_key,
        count(*) as enrollments,
        round(avg(p.completion_percentage), 2) as avg_completion,
        sum(e.fee_paid) as fees
    from warehouse.fact_course_progress as p
    left join warehouse.fact_enrollments as e using (student_key)
    group by p.course_key
)
select
    c.course_id,
    t.as_of,
    c.course_name,
    c.category,
    c.difficulty,
    i.instructor_name,
    c.is_active,
    coalesce(s.enrollments, 0) as enrollments,
    s.avg_completion,
    e.avg_score,
    coalesce(e.hours, 0) as hours,
    coalesce(s.fees, 0) as fees
from warehouse.dim_courses as c
cross join analytics.as_of as t
left join warehouse.dim_instructors as i using (instructor_key)
left join students as s using (course_key)
left join events as e using (course_key)
