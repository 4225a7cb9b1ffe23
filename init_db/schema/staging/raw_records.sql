create view staging.raw_records as
select _drop_id, _line, _extra from raw.assessments
union all
select _drop_id, _line, _extra from raw.attendance
union all
select _drop_id, _line, _extra from raw.city_master
union all
select _drop_id, _line, _extra from raw.course_catalog
union all
select _drop_id, _line, _extra from raw.student_feedback
union all
select _drop_id, _line, _extra from raw.student_progress
union all
select _drop_id, _line, _extra from raw.students
union all
select _drop_id, _line, _extra from raw.students_enrollment
union all
select _drop_id, _line, _extra from raw.support_tickets;
comment on view staging.raw_records is 'where every record of raw stands, over all datasets';
comment on column staging.raw_records._extra is 'its cells outside the declared columns, by their place in the header';
