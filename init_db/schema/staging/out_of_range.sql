create view staging.out_of_range as
select 'assessments' as dataset, assessment_id as key, 'score, max_score' as column_names, _build
from staging.stg_assessments
where (not (score >= 0 and score <= max_score) or not (max_score >= 0 and max_score > 0))
union all
select 'course_catalog' as dataset, course_id as key, 'duration_hours, price' as column_names, _build
from staging.stg_courses
where (not (duration_hours >= 0) or not (price >= 0))
union all
select 'student_feedback' as dataset, feedback_id as key, 'rating' as column_names, _build
from staging.stg_feedback
where (not (rating >= 0 and rating >= 1 and rating <= 5))
union all
select 'student_progress' as dataset, event_id as key, 'duration_seconds, score, completion_percentage' as column_names, _build
from staging.stg_progress
where (not (duration_seconds >= 0) or not (score between 0 and 100) or not (completion_percentage between 0 and 100))
union all
select 'students' as dataset, student_id as key, 'grade_level' as column_names, _build
from staging.stg_students
where (not (grade_level > 0))
union all
select 'students_enrollment' as dataset, student_id as key, 'fee_paid' as column_names, _build
from staging.stg_enrollments
where (not (fee_paid >= 0));
comment on view staging.out_of_range is 'rows with a value where its rule, or a declared check, does not put it; there are none';
comment on column staging.out_of_range.dataset is 'name of the dataset';
comment on column staging.out_of_range.key is 'the natural key of its row';
comment on column staging.out_of_range.column_names is 'the columns that were looked at';
