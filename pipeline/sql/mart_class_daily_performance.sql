-- one row per class and day with an attendance record or an assessment of its students. key: class_id, date
-- reads: warehouse.dim_students_history, warehouse.fact_attendance, warehouse.fact_assessments, analytics.as_of
-- the class is the student's class on that day; a student without one then counts in none
with attendance as (
    -- students, not records: one status per student and day, presence wins
    select
        h.class_id, f.attendance_date as date,
        count(distinct f.student_key) as students,
        count(distinct f.student_key) filter (where f.is_present) as present
    from warehouse.fact_attendance as f
    inner join warehouse.dim_students_history as h
        on f.student_key = h.student_key and h.valid_from <= f.attendance_date and f.attendance_date < h.valid_to
    where h.class_id is not null
    group by h.class_id, f.attendance_date
),
assessments as (
    select
        h.class_id, f.assessment_date as date,
        count(distinct f.student_key) as students,
        count(*) as assessments,
        avg(f.score_percentage) as score
    from warehouse.fact_assessments as f
    inner join warehouse.dim_students_history as h
        on f.student_key = h.student_key and h.valid_from <= f.assessment_date and f.assessment_date < h.valid_to
    where h.class_id is not null
    group by h.class_id, f.assessment_date
),
days as (
    select class_id, date from attendance
    union
    select class_id, date from assessments
),
-- students join a class and leave it. A running sum: 50,000 class-days times 500 students would be 25 million rows
moves as (
    select class_id, valid_from as date, 1 as students from warehouse.dim_students_history where is_active
    union all
    select class_id, valid_to, -1 from warehouse.dim_students_history where is_active
    union all
    select class_id, date, 0 from days
),
sizes as (
    select class_id, date, sum(sum(students)) over (partition by class_id order by date)::bigint as students
    from moves
    where class_id is not null
    group by class_id, date
)
select
    d.class_id,
    d.date,
    (select as_of from analytics.as_of) as as_of,
    z.students as total_students,
    coalesce(a.students, 0) as students_with_attendance,
    coalesce(a.present, 0) as present_count,
    coalesce(a.students - a.present, 0) as absent_count,
    coalesce(round(a.present::numeric / a.students, 2), 0) as attendance_rate,
    coalesce(s.students, 0) as students_with_assessment,
    coalesce(s.assessments, 0) as assessment_count,
    coalesce(round(s.score, 2), 0) as avg_score
from days as d
inner join sizes as z using (class_id, date)
left join attendance as a using (class_id, date)
left join assessments as s using (class_id, date)
