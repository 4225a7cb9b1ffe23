-- one row per day with a learning event, an attendance record, an assessment, a ticket or an enrolment. key: date
-- reads: warehouse.dim_date, warehouse.fact_student_progress, warehouse.fact_attendance, warehouse.fact_assessments,
-- warehouse.fact_support_tickets, warehouse.ai_ticket_analysis, warehouse.fact_enrollments, analytics.as_of
-- day 0, the unknown one, is left out
with events as (
    select date_key, count(*) as events, sum(duration_seconds) / 3600 as hours
    from warehouse.fact_student_progress
    group by date_key
),
assessments as (
    select date_key, count(*) as assessments, avg(score_percentage) as score
    from warehouse.fact_assessments
    group by date_key
),
students as (
    -- students, not records: one status per student and day, presence wins
    select
        date_key,
        count(distinct student_key) filter (where is_active) as active,
        count(distinct student_key) filter (where is_present is not null) as with_attendance,
        count(distinct student_key) filter (where is_present) as present
    from (
        select date_key, student_key, is_present, is_present as is_active from warehouse.fact_attendance
        union all
        select date_key, student_key, null, true from warehouse.fact_student_progress
        union all
        select date_key, student_key, null, true from warehouse.fact_assessments
    ) as records
    group by date_key
),
opened as (
    select
        t.created_date_key as date_key,
        count(*) as tickets,
        count(*) filter (where a.rule_sentiment in ('Negative', 'Very Negative')) as negative
    from warehouse.fact_support_tickets as t
    left join warehouse.ai_ticket_analysis as a using (ticket_id)
    group by t.created_date_key
),
resolved as (
    select resolved_date_key as date_key, count(*) as tickets
    from warehouse.fact_support_tickets
    group by resolved_date_key
),
enrollments as (
    select date_key, count(*) as students, sum(fee_paid) as fees
    from warehouse.fact_enrollments
    group by date_key
)
select
    d.date,
    (select as_of from analytics.as_of) as as_of,
    coalesce(s.active, 0) as active_students,
    coalesce(e.events, 0) as learning_events,
    coalesce(round(e.hours, 2), 0) as learning_hours,
    coalesce(s.with_attendance, 0) as students_with_attendance,
    coalesce(s.present, 0) as present_count,
    coalesce(round(s.present::numeric / nullif(s.with_attendance, 0), 2), 0) as attendance_rate,
    coalesce(a.assessments, 0) as assessment_count,
    coalesce(round(a.score, 2), 0) as avg_score,
    coalesce(o.tickets, 0) as tickets_opened,
    coalesce(o.negative, 0) as tickets_negative,
    coalesce(r.tickets, 0) as tickets_resolved,
    coalesce(n.students, 0) as enrollments,
    coalesce(n.fees, 0) as fees_paid
from warehouse.dim_date as d
left join students as s using (date_key)
left join events as e using (date_key)
left join assessments as a using (date_key)
left join opened as o using (date_key)
left join resolved as r using (date_key)
left join enrollments as n using (date_key)
where d.date_key > 0 and num_nonnulls(s.date_key, o.date_key, r.date_key, n.date_key) > 0
