-- one row per finding that a person should look at. key: kind, dataset, item, other, reason
-- reads: etl.rejects, etl.drops, staging.flags_seen, staging.unknown_words, staging.stg_enrollments,
-- warehouse.fact_attendance, warehouse.dim_students, warehouse.dim_courses, staging.students_seen, staging.courses_seen
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
unmapped as (
    select
        'unmapped_code' as kind, dataset, left(coalesce(word, '(repaired record)'), 200) as item, -- an index takes no more
        regexp_replace(flag, '_(unknown|unmatched|invalid)$', '') as other, flag as reason, 1 as occurrences
    from staging.unknown_words
),
orphans as (
    select
        'orphan' as kind, s.dataset, s.key as item, s.column_name as other,
        'neither enrolment nor roster knows this student' as reason, count(*) as occurrences
    from warehouse.dim_students as d
    inner join staging.students_seen as s on d.student_id = s.key
    where d.is_inferred
    group by s.dataset, s.key, s.column_name
    union all
    select 'orphan', s.dataset, s.key, s.column_name, 'no catalogue knows this course', count(*)
    from warehouse.dim_courses as d
    inner join staging.courses_seen as s on d.course_id = s.key
    where d.is_inferred
    group by s.dataset, s.key, s.column_name
),
worst as (
    select 'worst_row' as kind, dataset, key as item, quality_score, flags
    from staging.flags_seen
    where cardinality(flags) >= :queue_flags
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
