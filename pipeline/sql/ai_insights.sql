-- one row per metric of the executive summary, now and before. key: kind, place (kind is metric)
-- reads: analytics.as_of, analytics.daily_dashboard, analytics.student_360, analytics.data_quality
-- now = the 7 days that end with as_of, before = the 7 days before those; of the files: the last two days they came
with weeks as (
    select
        active_students, learning_hours, students_with_attendance, present_count, assessment_count, avg_score,
        tickets_opened, tickets_negative,
        date > as_of - 7 as is_now
    from analytics.daily_dashboard
    where date > as_of - 14 and date <= as_of
),
days as (
    select
        round(sum(active_students) filter (where is_now) / 7, 2) as active,
        round(sum(active_students) filter (where not is_now) / 7, 2) as active_before,
        round(sum(learning_hours) filter (where is_now), 2) as hours,
        round(sum(learning_hours) filter (where not is_now), 2) as hours_before,
        round(
            100.0 * sum(present_count) filter (where is_now)
            / nullif(sum(students_with_attendance) filter (where is_now), 0), 2
        ) as attendance,
        round(
            100.0 * sum(present_count) filter (where not is_now)
            / nullif(sum(students_with_attendance) filter (where not is_now), 0), 2
        ) as attendance_before,
        round(
            sum(avg_score * assessment_count) filter (where is_now)
            / nullif(sum(assessment_count) filter (where is_now), 0), 2
        ) as score,
        round(
            sum(avg_score * assessment_count) filter (where not is_now)
            / nullif(sum(assessment_count) filter (where not is_now), 0), 2
        ) as score_before,
        sum(tickets_opened) filter (where is_now) as opened,
        sum(tickets_opened) filter (where not is_now) as opened_before,
        sum(tickets_negative) filter (where is_now) as negative,
        sum(tickets_negative) filter (where not is_now) as negative_before
    from weeks
),
students as (
    select
        count(*) filter (where is_active and risk_category in ('High', 'Critical')) as high_risk,
        sum(tickets_open) as tickets_open,
        round(avg(avg_completion) filter (where is_active), 2) as completion
    from analytics.student_360
),
arrivals as (
    select drop_date, sum(rejected) as rejected, row_number() over (order by drop_date desc) as back
    from analytics.data_quality
    group by drop_date
),
files as (
    select sum(rejected) filter (where back = 1) as now, sum(rejected) filter (where back = 2) as before
    from arrivals
)
select
    m.place, a.as_of, m.name, m.wording, m.value::numeric(20, 2) as value, m.previous::numeric(20, 2) as previous,
    m.unit, m.mart, m.better
from analytics.as_of as a
cross join days as d
cross join students as s
cross join files as f
cross join lateral (
    values
    (1, 'attendance_rate', 'Attendance', d.attendance, d.attendance_before, 'percent', 'daily_dashboard', 'up'),
    (2, 'avg_score', 'Average score', d.score, d.score_before, 'percent', 'daily_dashboard', 'up'),
    (3, 'active_students', 'Active students per day', d.active, d.active_before, 'count', 'daily_dashboard', 'up'),
    (4, 'learning_hours', 'Learning hours', d.hours, d.hours_before, 'hours', 'daily_dashboard', 'up'),
    (5, 'avg_completion', 'Mean course completion', s.completion, null, 'percent', 'student_360', 'up'),
    (6, 'high_risk_students', 'Students at high or critical risk', s.high_risk, null, 'count', 'student_360', 'down'),
    (7, 'tickets_opened', 'Support tickets opened', d.opened, d.opened_before, 'count', 'daily_dashboard', 'down'),
    (8, 'negative_tickets', 'Tickets that sound unhappy', d.negative, d.negative_before, 'count', 'daily_dashboard', 'down'),
    (9, 'tickets_open', 'Support tickets open', s.tickets_open, null, 'count', 'student_360', 'down'),
    (10, 'rejected_rows', 'Values that had a row rejected', f.now, f.before, 'count', 'data_quality', 'down')
) as m (place, name, wording, value, previous, unit, mart, better)
