-- one row per course with feedback: how its students rate it. key: course_id
-- reads: analytics.as_of, warehouse.dim_courses, warehouse.fact_feedback, warehouse.ai_feedback_mood
select
    c.course_id,
    t.as_of,
    c.course_name,
    count(*) as feedbacks,
    round(avg(f.rating), 2) as avg_rating,
    count(*) filter (where m.rule_sentiment = 'Positive') as positive_comments,
    count(*) filter (where m.rule_sentiment in ('Negative', 'Very Negative')) as negative_comments,
    max((f.created_at at time zone 'UTC')::date) as last_feedback
from warehouse.fact_feedback as f
inner join warehouse.dim_courses as c using (course_key)
inner join warehouse.ai_feedback_mood as m using (feedback_id)
cross join analytics.as_of as t
group by c.course_id, t.as_of, c.course_name
