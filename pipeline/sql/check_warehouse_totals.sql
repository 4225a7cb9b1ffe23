-- error: the events of students and courses add up to the events there are
-- one row when they do not. reads: warehouse.fact_course_progress, warehouse.fact_student_progress
select summed.events as in_groups, counted.events as in_facts
from (select coalesce(sum(events), 0) as events from warehouse.fact_course_progress) as summed
cross join (select count(course_key) as events from warehouse.fact_student_progress) as counted
where summed.events <> counted.events
