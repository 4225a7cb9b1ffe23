create view staging.unknown_words as
select 'attendance' as dataset, 'status_unknown' as flag, trim(r.original ->> 'status') as word
from etl.rejects as r inner join etl.drops as d using (drop_id)
where r.dataset = 'attendance' and r.outcome = 'rejected' and d.status = 'staged' and 'status_unknown' = any(r.reasons)
union all
select 'course_catalog' as dataset, 'category_unknown' as flag, s.category as word
from staging.stg_courses as s
where s.flags <> '{}' and 'category_unknown' = any(s.flags)
union all
select 'course_catalog' as dataset, 'difficulty_unknown' as flag, s.difficulty as word
from staging.stg_courses as s
where s.flags <> '{}' and 'difficulty_unknown' = any(s.flags)
union all
select 'student_progress' as dataset, 'event_type_unknown' as flag, s.event_type as word
from staging.stg_progress as s
where s.flags <> '{}' and 'event_type_unknown' = any(s.flags)
union all
select 'students' as dataset, 'class_id_invalid' as flag, trim(r.class_id) as word
from staging.stg_students as s inner join raw.students as r on (s._drop_id, s._line) = (r._drop_id, r._line)
where s.flags <> '{}' and 'class_id_invalid' = any(s.flags)
union all
select 'students' as dataset, 'enrollment_status_unknown' as flag, s.enrollment_status as word
from staging.stg_students as s
where s.flags <> '{}' and 'enrollment_status_unknown' = any(s.flags)
union all
select 'students_enrollment' as dataset, 'city_unmatched' as flag, s.city as word
from staging.stg_enrollments as s
where s.flags <> '{}' and 'city_unmatched' = any(s.flags)
union all
select 'students_enrollment' as dataset, 'state_unmatched' as flag, s.state as word
from staging.stg_enrollments as s
where s.flags <> '{}' and 'state_unmatched' = any(s.flags)
union all
select 'students_enrollment' as dataset, 'payment_status_unknown' as flag, trim(r.payment_status) as word
from staging.stg_enrollments as s inner join raw.students_enrollment as r on (s._drop_id, s._line) = (r._drop_id, r._line)
where s.flags <> '{}' and 'payment_status_unknown' = any(s.flags)
union all
select 'support_tickets' as dataset, 'priority_unknown' as flag, s.priority as word
from staging.stg_tickets as s
where s.flags <> '{}' and 'priority_unknown' = any(s.flags)
union all
select 'support_tickets' as dataset, 'status_unknown' as flag, s.status as word
from staging.stg_tickets as s
where s.flags <> '{}' and 'status_unknown' = any(s.flags)
union all
select 'support_tickets' as dataset, 'category_unknown' as flag, s.category as word
from staging.stg_tickets as s
where s.flags <> '{}' and 'category_unknown' = any(s.flags);
comment on view staging.unknown_words is 'words that are in no vocabulary, over all datasets';
comment on column staging.unknown_words.dataset is 'name of the dataset';
comment on column staging.unknown_words.flag is 'the flag, or reason, of the row';
comment on column staging.unknown_words.word is 'as it came, or as it stands in staging; null in a repaired record';
