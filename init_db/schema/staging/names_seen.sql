create view staging.names_seen as
select 'course_catalog' as dataset, instructor_name as name
from staging.stg_courses
where instructor_name is not null
union all
select 'students' as dataset, student_name as name
from staging.stg_students
where student_name is not null
union all
select 'students_enrollment' as dataset, full_name as name
from staging.stg_enrollments
where full_name is not null;
comment on view staging.names_seen is 'names of people, over all datasets: none of them goes to a language model';
comment on column staging.names_seen.dataset is 'name of the dataset';
comment on column staging.names_seen.name is 'as it stands in staging';
