-- one row per finding that a person should look at. key: kind, dataset, item, other, reason
-- reads: etl.rejects, staging.*, raw.* (the words as they came), warehouse.dim_students, warehouse.dim_courses
with conflicts as (
    select
        'duplicate_conflict' as kind, r.dataset, r.key as item,
        format('drop %s', r.drop_id) as other,
        'different rows of one key in one drop: the last one counts' as reason
    from etl.rejects as r
    inner join etl.drops as d using (drop_id)
    where r.outcome = 'duplicate' and d.status = 'staged' and 'duplicate_conflict' = any(r.reasons)
),
pairs as (
    select a.student_id as item, b.student_id as other, 'same e-mail' as reason
    from staging.stg_enrollments as a
    inner join staging.stg_enrollments as b on a.email = b.email and a.student_id < b.student_id
    union all
    select a.student_id, b.student_id, 'same name and phone'
    from staging.stg_enrollments as a
    inner join staging.stg_enrollments as b
        on lower(a.full_name) = lower(b.full_name) and a.phone = b.phone and a.student_id < b.student_id
),
flagged as (
    select 'students_enrollment' as dataset, f.flag, to_jsonb(r) as raw, to_jsonb(s) as staged
    from staging.stg_enrollments as s
    cross join lateral unnest(s.flags) as f (flag)
    inner join raw.students_enrollment as r on (s._drop_id, s._line) = (r._drop_id, r._line)
    where s.flags <> '{}' and f.flag ~ '_(unknown|unmatched)$'
    union all
    select 'student_progress', f.flag, to_jsonb(r), to_jsonb(s)
    from staging.stg_progress as s
    cross join lateral unnest(s.flags) as f (flag)
    inner join raw.student_progress as r on (s._drop_id, s._line) = (r._drop_id, r._line)
    where s.flags <> '{}' and f.flag ~ '_(unknown|unmatched)$'
    union all
    select 'course_catalog', f.flag, to_jsonb(r), to_jsonb(s)
    from staging.stg_courses as s
    cross join lateral unnest(s.flags) as f (flag)
    inner join raw.course_catalog as r on (s._drop_id, s._line) = (r._drop_id, r._line)
    where s.flags <> '{}' and f.flag ~ '_(unknown|unmatched)$'
    union all
    select 'support_tickets', f.flag, to_jsonb(r), to_jsonb(s)
    from staging.stg_tickets as s
    cross join lateral unnest(s.flags) as f (flag)
    inner join raw.support_tickets as r on (s._drop_id, s._line) = (r._drop_id, r._line)
    where s.flags <> '{}' and f.flag ~ '_(unknown|unmatched)$'
),
words as (
    select
        dataset, flag, regexp_replace(flag, '_(unknown|unmatched)$', '') as code, raw, staged
    from flagged
),
unmapped as (
    select
        'unmapped_code' as kind, dataset,
        trim(coalesce(raw ->> code, staged ->> code, '')) as item, code as other, flag as reason
    from words
),
orphans as (
    select
        'orphan' as kind, 'student_progress' as dataset, e.student_id as item, 'student_id' as other,
        'no enrolment knows this student' as reason
    from staging.stg_progress as e
    inner join warehouse.dim_students as s using (student_id)
    where s.is_inferred
    union all
    select 'orphan', 'support_tickets', t.student_id, 'student_id', 'no enrolment knows this student'
    from staging.stg_tickets as t
    inner join warehouse.dim_students as s using (student_id)
    where s.is_inferred
    union all
    select 'orphan', 'student_progress', e.course_id, 'course_id', 'no catalogue knows this course'
    from staging.stg_progress as e
    inner join warehouse.dim_courses as c using (course_id)
    where c.is_inferred
),
findings as (
    select kind, dataset, item, other, reason from conflicts
    union all
    select 'fuzzy_duplicate', 'students_enrollment', item, other, reason from pairs
    union all
    select kind, dataset, item, other, reason from unmapped
    union all
    select kind, dataset, item, other, reason from orphans
)
select kind, dataset, item, other, reason, count(*) as occurrences
from findings
group by kind, dataset, item, other, reason
