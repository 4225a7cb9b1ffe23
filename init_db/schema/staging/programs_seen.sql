create view staging.programs_seen as
select 'students_enrollment' as dataset, 'program_id' as column_name, program_id as key, false as is_own, _build
from staging.stg_enrollments
where program_id is not null;
comment on view staging.programs_seen is 'which program a row names, over all datasets';
comment on column staging.programs_seen.dataset is 'name of the dataset';
comment on column staging.programs_seen.column_name is 'the column that names it';
comment on column staging.programs_seen.key is 'what it names';
comment on column staging.programs_seen.is_own is 'whether the row describes it, and not only names it';
