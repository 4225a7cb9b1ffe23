-- one row per student: everything there is to say on one line. key: student_id
-- reads: analytics.as_of, warehouse.dim_students, warehouse.dim_programs, warehouse.fact_enrollments,
-- warehouse.fact_student_progress, warehouse.fact_course_progress, warehouse.fact_attendance,
-- warehouse.fact_assessments, warehouse.fact_support_tickets, warehouse.ai_student_risk
-- active_bits: of the last :activity_long days, those with activity; bit 0 is as_of itself. Ored over the facts a
-- day counts once, and each fact is read once
with today as (
    select as_of from analytics.as_of
),
learning as (
    select
        e.student_key,
        round(avg(e.score), 2) as avg_score,
        round(sum(e.duration_seconds) / 3600.0, 2) as hours,
        max(e.day) filter (where e.day <= t.as_of) as last_day,
        bit_or(1::bigint << (t.as_of - e.day)) filter (
            where e.day > t.as_of - :activity_long and e.day <= t.as_of
        ) as active_bits
    from (
        select student_key, score, duration_seconds, (event_timestamp at time zone 'UTC')::date as day
        from warehouse.fact_student_progress
    ) as e
    cross join today as t
    group by e.student_key
),
courses as (
    select
        student_key,
        count(*) as courses,
        sum(modules_completed) as modules_completed,
        round(avg(completion_percentage), 2) as avg_completion
    from warehouse.fact_course_progress
    group by student_key
),
-- a day of several records is present when one of them is. Distinct days come in the order of an index: 0.3 s for two
-- million records; grouping them by day first took 1.7
attendance as (
    select
        a.student_key,
        count(distinct a.attendance_date) as days,
        count(distinct a.attendance_date) filter (where a.is_present) as present_days,
        max(a.attendance_date) filter (where a.is_present and a.attendance_date <= t.as_of) as last_day,
        bit_or(1::bigint << (t.as_of - a.attendance_date)) filter (
            where a.is_present and a.attendance_date > t.as_of - :activity_long and a.attendance_date <= t.as_of
        ) as active_bits
    from warehouse.fact_attendance as a
    cross join today as t
    group by a.student_key
),
assessments as (
    select
        a.student_key,
        max(a.assessment_date) filter (where a.assessment_date <= t.as_of) as last_day,
        bit_or(1::bigint << (t.as_of - a.assessment_date)) filter (
            where a.assessment_date > t.as_of - :activity_long and a.assessment_date <= t.as_of
        ) as active_bits
    from warehouse.fact_assessments as a
    cross join today as t
    group by a.student_key
),
tickets as (
    select
        student_key,
        count(*) as tickets_total,
        count(*) filter (where status in ('Resolved', 'Closed')) as tickets_done
    from warehouse.fact_support_tickets
    group by student_key
),
measured as (
    select
        s.student_id, t.as_of, s.full_name, s.gender, s.dob,
        extract(year from t.as_of)::integer - extract(year from s.dob)::integer as age,
        s.city, s.state, s.class_id, s.grade_level, s.is_active,
        p.program_id, e.enrollment_date, e.fee_paid, e.payment_status,
        coalesce(c.courses, 0) as courses,
        coalesce(c.modules_completed, 0)::bigint as modules_completed,
        c.avg_completion,
        l.avg_score,
        coalesce(l.hours, 0) as hours,
        greatest(l.last_day, a.last_day, m.last_day) as last_activity,
        t.as_of - greatest(l.last_day, a.last_day, m.last_day) as days_since_activity,
        coalesce(l.active_bits, 0) | coalesce(a.active_bits, 0) | coalesce(m.active_bits, 0) as active_bits,
        coalesce(q.tickets_total - q.tickets_done, 0) as tickets_open,
        coalesce(q.tickets_total, 0) as tickets_total,
        round(a.present_days::numeric / a.days, 2) as attendance_rate,
        r.score as risk_score,
        r.category as risk_category,
        array_to_string(r.factors, ', ') as risk_factors
    from warehouse.dim_students as s
    cross join today as t
    left join warehouse.fact_enrollments as e using (student_key)
    left join warehouse.dim_programs as p using (program_key)
    left join learning as l using (student_key)
    left join courses as c using (student_key)
    left join attendance as a using (student_key)
    left join assessments as m using (student_key)
    left join tickets as q using (student_key)
    left join warehouse.ai_student_risk as r using (student_key)
)
select
    student_id, as_of, full_name, gender, dob, age,
    case
        when age <= 22 then '18-22'
        when age <= 27 then '23-27'
        when age <= 35 then '28-35'
        when age > 35 then '35+'
    end as age_group,
    city, state, class_id, grade_level, is_active, program_id, enrollment_date,
    extract(month from enrollment_date)::integer as enrollment_month,
    extract(quarter from enrollment_date)::integer as enrollment_quarter,
    extract(year from enrollment_date)::integer as enrollment_year,
    fee_paid, payment_status,
    case
        when payment_status <> 'COMPLETED' then 'PENDING'
        when days_since_activity < :enrollment_inactive then 'ACTIVE'
        when days_since_activity < :enrollment_churned then 'INACTIVE'
        else 'CHURNED'
    end as enrollment_status,
    courses, modules_completed, avg_completion, avg_score, hours, last_activity, days_since_activity,
    bit_count((active_bits & ((1::bigint << :activity_short) - 1))::bit(64)) as active_days_{activity_short},
    bit_count(active_bits::bit(64)) as active_days_{activity_long},
    tickets_open, tickets_total, attendance_rate, risk_score, risk_category, risk_factors
from measured
