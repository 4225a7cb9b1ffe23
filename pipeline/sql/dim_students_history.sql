-- one row per student and span of days in which nothing known of the student changed. key: student_key of student_id, valid_from
-- reads: staging.student_versions (written with staging.stg_enrollments and staging.stg_students), staging.snapshot_ends
-- dates are drop dates, so the order of arrival does not matter
-- students of a roster are always read whole, because one vanishes without a new version
-- :stg_enrollments_since = the build consumed last time; 0 = everything
with touched as (
    select student_id from staging.student_versions
    where dataset = 'students_enrollment' and _build > :stg_enrollments_since
    union all
    select student_id from staging.student_versions
    where dataset = 'students'
),
versions as (
    select
        v.dataset, v.student_id, v.drop_date, x.vanished_on,
        v.full_name, v.student_name, v.first_name, v.last_name, v.email, v.phone, v.dob, v.gender, v.city, v.state,
        v.class_id, v.grade_level,
        case when v.dataset = 'students' then coalesce(v.enrollment_status = 'ACTIVE', false) end as is_active,
        array[
            v.full_name, v.student_name, v.email, v.phone, v.dob::text, v.gender, v.city, v.state,
            v.class_id, v.grade_level::text, v.enrollment_status
        ] as said
    from staging.student_versions as v
    left join staging.snapshot_ends as x on v.dataset = 'students' and v._drop_id = x.drop_id
    where v.student_id in (select student_id from touched)
),
-- is_new: it says something else than the version before it, or follows a roster that lacked the student
compared as (
    select
        dataset, student_id, drop_date, vanished_on,
        full_name, student_name, first_name, last_name, email, phone, dob, gender, city, state, class_id, grade_level,
        is_active,
        (said is distinct from lag(said) over in_order or lag(vanished_on) over in_order < drop_date)
        and vanished_on is distinct from drop_date as is_new,
        vanished_on < lead(drop_date, 1, date 'infinity') over in_order as is_last
    from versions
    window in_order as (partition by student_id, dataset order by drop_date)
),
-- Only the days on which a dataset says something new, or no more: of 200 daily rosters one or two per student.
changes as (
    select
        c.dataset, c.student_id, d.day,
        c.full_name, c.student_name, c.first_name, c.last_name, c.email, c.phone, c.dob, c.gender, c.city, c.state,
        c.class_id, c.grade_level, d.is_active
    from compared as c
    cross join lateral (
        values (c.is_new, c.drop_date, c.is_active), (c.is_last, c.vanished_on, false)
    ) as d (counts, day, is_active)
    where (c.is_new or c.is_last) and d.counts
),
-- which enrolment and which listing speak on each of these days
numbered as (
    select
        dataset, student_id, day,
        full_name, student_name, first_name, last_name, email, phone, dob, gender, city, state, class_id, grade_level,
        is_active,
        count(*) filter (where dataset = 'students_enrollment') over so_far as enrolment,
        -- before the first roster a student was where that one says: registers reach back beyond the first drop
        greatest(1, count(*) filter (where dataset = 'students') over so_far) as listing
    from changes
    window so_far as (partition by student_id order by day)
),
-- the largest value of an enrolment, or a listing, is its only one
states as (
    select
        student_id, day,
        coalesce(max(full_name) over enrolled, max(student_name) over listed) as full_name,
        case
            when max(full_name) over enrolled is null
                then max(first_name) filter (where dataset = 'students') over listed
            else max(first_name) filter (where dataset = 'students_enrollment') over enrolled
        end as first_name,
        case
            when max(full_name) over enrolled is null
                then max(last_name) filter (where dataset = 'students') over listed
            else max(last_name) filter (where dataset = 'students_enrollment') over enrolled
        end as last_name,
        max(email) over enrolled as email,
        max(phone) over enrolled as phone,
        max(dob) over enrolled as dob,
        max(gender) over enrolled as gender,
        max(city) over enrolled as city,
        max(state) over enrolled as state,
        max(class_id) over listed as class_id,
        max(grade_level) over listed as grade_level,
        coalesce(bool_or(is_active) over listed, true) as is_active
    from numbered
    window
        enrolled as (partition by student_id, enrolment),
        listed as (partition by student_id, listing)
),
worded as (
    select
        student_id, day,
        full_name, first_name, last_name, email, phone, dob, gender, city, state, class_id, grade_level, is_active,
        array[
            full_name, first_name, last_name, email, phone, dob::text, gender, city, state, class_id,
            grade_level::text, is_active::text
        ] as said
    from states
),
spans as (
    select
        student_id, day,
        full_name, first_name, last_name, email, phone, dob, gender, city, state, class_id, grade_level, is_active,
        said is distinct from lag(said) over (partition by student_id order by day) as is_new
    from worded
)
select
    warehouse.key(student_id) as student_key,
    case when row_number() over by_day = 1 then date '-infinity' else day end as valid_from,
    lead(day, 1, date 'infinity') over by_day as valid_to,
    lead(day) over by_day is null as is_current,
    full_name, first_name, last_name, email, phone, dob, gender, city, state, class_id, grade_level, is_active
from spans
where is_new
window by_day as (partition by student_id order by day)
