-- one row per finding that a person should look at. key: kind, dataset, item, other, reason
-- reads: etl.rejects, staging.*, raw.students_enrollment, and from warehouse: dim_students, dim_courses and the facts
with conflicts as (
    select
        'duplicate_conflict' as kind, r.dataset, r.key as item,
        format('drop of %s', d.drop_date) as other, -- not its id: that depends on the order of arrival
        'different rows of one key in one drop: the last one counts' as reason
    from etl.rejects as r
    inner join etl.drops as d using (drop_id)
    where r.outcome = 'duplicate' and d.status = 'staged' and 'duplicate_conflict' = any(r.reasons)
),
-- each against the first of those alike, not every two: 3,000 students with their school's address would be 4.5 million
alike as (
    select
        min(student_id) over (partition by email) as item, student_id as other, 'same e-mail' as reason
    from staging.stg_enrollments where email is not null
    union all
    select
        min(student_id) over (partition by lower(full_name), phone), student_id, 'same name and phone'
    from staging.stg_enrollments where full_name is not null and phone is not null
),
pairs as (
    select item, other, reason from alike where item < other
),
words as (
    select
        'students_enrollment' as dataset, f.flag,
        case f.flag when 'city_unmatched' then s.city when 'state_unmatched' then s.state end as word
    from staging.stg_enrollments as s
    cross join lateral unnest(s.flags) as f (flag)
    where s.flags <> '{}' and f.flag in ('city_unmatched', 'state_unmatched')
    union all
    -- the one vocabulary whose unknown words do not stay in staging: as they came
    select 'students_enrollment', 'payment_status_unknown', trim(r.payment_status)
    from staging.stg_enrollments as s
    inner join raw.students_enrollment as r on (s._drop_id, s._line) = (r._drop_id, r._line)
    where s.flags <> '{}' and 'payment_status_unknown' = any(s.flags)
    union all
    select 'student_progress', 'event_type_unknown', event_type
    from staging.stg_progress
    where flags <> '{}' and 'event_type_unknown' = any(flags)
    union all
    select
        'course_catalog', f.flag,
        case f.flag when 'category_unknown' then s.category when 'difficulty_unknown' then s.difficulty end
    from staging.stg_courses as s
    cross join lateral unnest(s.flags) as f (flag)
    where s.flags <> '{}' and f.flag in ('category_unknown', 'difficulty_unknown')
    union all
    select
        'support_tickets', f.flag,
        case f.flag
            when 'priority_unknown' then s.priority
            when 'status_unknown' then s.status
            when 'category_unknown' then s.category
        end
    from staging.stg_tickets as s
    cross join lateral unnest(s.flags) as f (flag)
    where s.flags <> '{}' and f.flag in ('priority_unknown', 'status_unknown', 'category_unknown')
),
unmapped as (
    select
        'unmapped_code' as kind, dataset, left(coalesce(word, '(repaired record)'), 200) as item, -- an index takes no more
        regexp_replace(flag, '_(unknown|unmatched)$', '') as other, flag as reason, 1 as occurrences
    from words
),
orphans as (
    select
        'orphan' as kind, 'student_progress' as dataset, s.student_id as item, 'student_id' as other,
        'no enrolment knows this student' as reason, count(*) as occurrences
    from warehouse.dim_students as s
    inner join warehouse.fact_student_progress as f using (student_key)
    where s.is_inferred
    group by s.student_id
    union all
    select 'orphan', 'support_tickets', s.student_id, 'student_id', 'no enrolment knows this student', count(*)
    from warehouse.dim_students as s
    inner join warehouse.fact_support_tickets as t using (student_key)
    where s.is_inferred
    group by s.student_id
    union all
    select 'orphan', 'student_progress', c.course_id, 'course_id', 'no catalogue knows this course', sum(f.events)
    from warehouse.dim_courses as c
    inner join warehouse.fact_course_progress as f using (course_key)
    where c.is_inferred
    group by c.course_id
),
worst as (
    select
        'worst_row' as kind, 'students_enrollment' as dataset, student_id as item, quality_score, flags
    from staging.stg_enrollments where flags <> '{}' and quality_score <= 70
    union all
    select 'worst_row', 'student_progress', event_id, quality_score, flags
    from staging.stg_progress where flags <> '{}' and quality_score <= 70
    union all
    select 'worst_row', 'course_catalog', course_id, quality_score, flags
    from staging.stg_courses where flags <> '{}' and quality_score <= 70
    union all
    select 'worst_row', 'support_tickets', ticket_id, quality_score, flags
    from staging.stg_tickets where flags <> '{}' and quality_score <= 70
),
findings as (
    select kind, dataset, item, other, reason, 1 as occurrences from conflicts
    union all
    select 'fuzzy_duplicate', 'students_enrollment', item, other, reason, 1 from pairs
    union all
    select kind, dataset, item, other, reason, occurrences from unmapped
    union all
    select kind, dataset, item, other, reason, occurrences from orphans
    union all
    select kind, dataset, item, format('quality %s', quality_score), array_to_string(flags, ', '), 1 from worst
)
select kind, dataset, item, other, reason, sum(occurrences)::bigint as occurrences
from findings
group by kind, dataset, item, other, reason
