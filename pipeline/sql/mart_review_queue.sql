-- one row per finding that a person should look at. key: kind, dataset, item, other, reason
-- reads: etl.rejects, staging.*, raw.students_enrollment, raw.students,
-- and from warehouse: dim_students, dim_courses and the facts
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
-- attendance records of one student and day that disagree; grouped in the order of an index, so that nothing is sorted
disagreeing as (
    select student_key, attendance_date, array_agg(status) as statuses
    from warehouse.fact_attendance
    group by student_key, attendance_date
    having min(status) < max(status)
),
contradictions as (
    select
        s.student_id as item, d.attendance_date::text as other,
        (select string_agg(distinct status, ' and ' order by status) from unnest(d.statuses) as status) as reason,
        cardinality(d.statuses) as occurrences
    from disagreeing as d
    inner join warehouse.dim_students as s using (student_key)
),
-- rows with flags, each table once: for their unknown words, and for the worst of them
enrollments as (
    select student_id, city, state, flags, quality_score
    from staging.stg_enrollments where flags <> '{}'
),
progress as (
    select event_id, event_type, flags, quality_score
    from staging.stg_progress
    where flags <> '{}' and ('event_type_unknown' = any(flags) or quality_score <= 70)
),
courses as (
    select course_id, category, difficulty, flags, quality_score
    from staging.stg_courses where flags <> '{}'
),
tickets as (
    select ticket_id, priority, status, category, flags, quality_score
    from staging.stg_tickets where flags <> '{}'
),
roster as (
    select student_id, enrollment_status, flags, quality_score
    from staging.stg_students where flags <> '{}'
),
words as (
    select
        'students_enrollment' as dataset, f.flag,
        case f.flag when 'city_unmatched' then s.city when 'state_unmatched' then s.state end as word
    from enrollments as s
    cross join lateral unnest(s.flags) as f (flag)
    where f.flag in ('city_unmatched', 'state_unmatched')
    union all
    -- unknown words that do not stay in staging: as they came (from the tables themselves, whose statistics say whether
    -- to look up a few records or to read all)
    select 'students_enrollment', 'payment_status_unknown', trim(r.payment_status)
    from staging.stg_enrollments as s
    inner join raw.students_enrollment as r on (s._drop_id, s._line) = (r._drop_id, r._line)
    where s.flags <> '{}' and 'payment_status_unknown' = any(s.flags)
    union all
    select 'students', 'class_id_invalid', trim(r.class_id)
    from staging.stg_students as s
    inner join raw.students as r on (s._drop_id, s._line) = (r._drop_id, r._line)
    where s.flags <> '{}' and 'class_id_invalid' = any(s.flags)
    union all
    select r.dataset, 'status_unknown', trim(r.original ->> 'status')
    from etl.rejects as r
    inner join etl.drops as d using (drop_id)
    where r.outcome = 'rejected' and d.status = 'staged' and r.dataset = 'attendance'
    and 'status_unknown' = any(r.reasons)
    union all
    select 'students', 'enrollment_status_unknown', enrollment_status
    from roster
    where 'enrollment_status_unknown' = any(flags)
    union all
    select 'student_progress', 'event_type_unknown', event_type
    from progress
    where 'event_type_unknown' = any(flags)
    union all
    select
        'course_catalog', f.flag,
        case f.flag when 'category_unknown' then s.category when 'difficulty_unknown' then s.difficulty end
    from courses as s
    cross join lateral unnest(s.flags) as f (flag)
    where f.flag in ('category_unknown', 'difficulty_unknown')
    union all
    select
        'support_tickets', f.flag,
        case f.flag
            when 'priority_unknown' then s.priority
            when 'status_unknown' then s.status
            when 'category_unknown' then s.category
        end
    from tickets as s
    cross join lateral unnest(s.flags) as f (flag)
    where f.flag in ('priority_unknown', 'status_unknown', 'category_unknown')
),
unmapped as (
    select
        'unmapped_code' as kind, dataset, left(coalesce(word, '(repaired record)'), 200) as item, -- an index takes no more
        regexp_replace(flag, '_(unknown|unmatched|invalid)$', '') as other, flag as reason, 1 as occurrences
    from words
),
strangers as (
    select student_key, student_id from warehouse.dim_students where is_inferred
),
references_to_strangers as (
    select 'student_progress' as dataset, s.student_id, count(*) as occurrences
    from strangers as s
    inner join warehouse.fact_student_progress as f using (student_key)
    group by s.student_id
    union all
    select 'support_tickets', s.student_id, count(*)
    from strangers as s
    inner join warehouse.fact_support_tickets as f using (student_key)
    group by s.student_id
    union all
    select 'attendance', s.student_id, count(*)
    from strangers as s
    inner join warehouse.fact_attendance as f using (student_key)
    group by s.student_id
    union all
    select 'assessments', s.student_id, count(*)
    from strangers as s
    inner join warehouse.fact_assessments as f using (student_key)
    group by s.student_id
),
orphans as (
    select
        'orphan' as kind, dataset, student_id as item, 'student_id' as other,
        'neither enrolment nor roster knows this student' as reason, occurrences
    from references_to_strangers
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
    from enrollments where quality_score <= 70
    union all
    select 'worst_row', 'student_progress', event_id, quality_score, flags
    from progress where quality_score <= 70
    union all
    select 'worst_row', 'course_catalog', course_id, quality_score, flags
    from courses where quality_score <= 70
    union all
    select 'worst_row', 'support_tickets', ticket_id, quality_score, flags
    from tickets where quality_score <= 70
    union all
    select 'worst_row', 'students', student_id, quality_score, flags
    from roster where quality_score <= 70
    union all
    select 'worst_row', 'attendance', attendance_id, quality_score, flags
    from staging.stg_attendance where flags <> '{}' and quality_score <= 70
    union all
    select 'worst_row', 'assessments', assessment_id, quality_score, flags
    from staging.stg_assessments where flags <> '{}' and quality_score <= 70
),
findings as (
    select kind, dataset, item, other, reason, 1 as occurrences from conflicts
    union all
    select 'fuzzy_duplicate', 'students_enrollment', item, other, reason, 1 from pairs
    union all
    select 'contradiction', 'attendance', item, other, reason, occurrences from contradictions
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
