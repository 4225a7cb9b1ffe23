-- one row per active student, and per other student with an attendance record or an assessment. key: student_id
-- reads: warehouse.dim_students, warehouse.fact_attendance, warehouse.fact_assessments, analytics.as_of
with attendance as (
    -- days, not records: one status per day, presence wins
    select
        student_key,
        count(distinct attendance_date) as days,
        count(distinct attendance_date) filter (where is_present) as present
    from warehouse.fact_attendance
    group by student_key
),
assessments as (
    select
        student_key,
        count(*) as assessments,
        avg(score_percentage) as score,
        min(score) as lowest,
        max(score) as highest
    from warehouse.fact_assessments
    group by student_key
)
select
    s.student_id,
    (select as_of from analytics.as_of) as as_of,
    s.full_name,
    s.class_id,
    s.is_active,
    coalesce(a.days, 0) as total_attendance_days,
    coalesce(a.present, 0) as present_days,
    coalesce(a.days - a.present, 0) as absent_days,
    coalesce(round(a.present::numeric / a.days, 2), 0) as attendance_rate,
    coalesce(f.assessments, 0) as total_assessments,
    coalesce(round(f.score, 2), 0) as avg_score,
    f.lowest as min_score,
    f.highest as max_score
from warehouse.dim_students as s
left join attendance as a using (student_key)
left join assessments as f using (student_key)
where s.is_active or a.days > 0 or f.assessments > 0
