-- one row per student: what the rule of risk looks at. key: student_key
-- reads: analytics.as_of, warehouse.dim_students, warehouse.fact_student_progress, warehouse.fact_course_progress,
-- warehouse.fact_enrollments, warehouse.fact_attendance, warehouse.fact_assessments, warehouse.fact_support_tickets,
-- warehouse.ai_ticket_analysis, warehouse.dim_date
-- the windows end with as_of; sentiment is the rules', so that the number is the same without a language model
with today as (
    select
        as_of,
        warehouse.date_key(as_of) as today_key,
        warehouse.date_key(as_of - (:risk_ticket_days - 1)) as tickets_key,
        warehouse.date_key(as_of - (:risk_score_days - 1)) as scores_key
    from analytics.as_of
),
events as (
    select
        e.student_key,
        max(e.date_key) filter (where e.date_key <= t.today_key) as last_key,
        count(*) filter (where e.score < :risk_low_score and e.date_key between t.scores_key and t.today_key) as low_scores
    from warehouse.fact_student_progress as e cross join today as t
    group by e.student_key
),
assessments as (
    select
        a.student_key,
        max(a.date_key) filter (where a.date_key <= t.today_key) as last_key,
        count(*) filter (
            where a.score_percentage < :risk_low_score and a.date_key between t.scores_key and t.today_key
        ) as low_scores
    from warehouse.fact_assessments as a cross join today as t
    group by a.student_key
),
present as (
    select a.student_key, max(a.date_key) as last_key
    from warehouse.fact_attendance as a cross join today as t
    where a.is_present and a.date_key <= t.today_key
    group by a.student_key
),
courses as (
    select student_key, round(avg(completion_percentage), 2) as mean_completion
    from warehouse.fact_course_progress
    group by student_key
),
complaints as (
    select f.student_key, count(*) as tickets
    from warehouse.fact_support_tickets as f
    inner join warehouse.ai_ticket_analysis as a using (ticket_id)
    cross join today as t
    where a.rule_sentiment in ('Negative', 'Very Negative') and f.created_date_key between t.tickets_key and t.today_key
    group by f.student_key
)
select
    s.student_key,
    t.as_of,
    t.as_of - d.date as days_since_activity,
    c.mean_completion,
    n.payment_status,
    coalesce(q.tickets, 0)::integer as negative_tickets,
    (coalesce(e.low_scores, 0) + coalesce(m.low_scores, 0))::integer as low_scores
from warehouse.dim_students as s
cross join today as t
left join events as e using (student_key)
left join assessments as m using (student_key)
left join present as p using (student_key)
left join courses as c using (student_key)
left join warehouse.fact_enrollments as n using (student_key)
left join complaints as q using (student_key)
left join warehouse.dim_date as d
    on d.date_key = greatest(nullif(e.last_key, 0), nullif(m.last_key, 0), nullif(p.last_key, 0))
