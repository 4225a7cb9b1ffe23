-- one row per metric of the executive summary, now and before. key: kind, place (kind is metric)
-- reads: analytics.as_of, analytics.daily_dashboard, analytics.student_360, analytics.data_quality
-- now = the :insights_days days that end with as_of, before = as many before those; of the files: the last two days they
-- came. What a metric is called, and its unit, stands in definitions.py
with weeks as (
    select
        active_students, learning_hours, students_with_attendance, present_count, assessment_count, avg_score,
        tickets_opened, tickets_negative,
        date > as_of - :insights_days as is_now
    from analytics.daily_dashboard
    where date > as_of - 2 * :insights_days and date <= as_of
),
days as (
    select
        round(sum(active_students) filter (where is_now) / :insights_days, 2) as active,
        round(sum(active_students) filter (where not is_now) / :insights_days, 2) as active_before,
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
select a.as_of, m.name, m.value::numeric(20, 2) as value, m.previous::numeric(20, 2) as previous
from analytics.as_of as a
cross join days as d
cross join students as s
cross join files as f
cross join lateral (
    values
    ('attendance_rate', d.attendance, d.attendance_before),
    ('avg_score', d.score, d.score_before),
    ('active_students', d.active, d.active_before),
    ('learning_hours', d.hours, d.hours_before),
    ('avg_completion', s.completion, null),
    ('high_risk_students', s.high_risk, null),
    ('tickets_opened', d.opened, d.opened_before),
    ('negative_tickets', d.negative, d.negative_before),
    ('tickets_open', s.tickets_open, null),
    ('rejected_rows', f.now, f.before)
) as m (name, value, previous)
