-- error: no mart is empty while its facts are not
-- one row per such mart. reads: analytics.*, warehouse.*, etl.rule_stats
select mart, source
from (
    values
    (
        'student_360', 'dim_students',
        exists (select from warehouse.dim_students) and not exists (select from analytics.student_360)
    ),
    (
        'student_performance_summary', 'fact_attendance, fact_assessments',
        (exists (select from warehouse.fact_attendance) or exists (select from warehouse.fact_assessments))
        and not exists (select from analytics.student_performance_summary)
    ),
    (
        'course_performance', 'dim_courses',
        exists (select from warehouse.dim_courses) and not exists (select from analytics.course_performance)
    ),
    (
        'class_statistics', 'dim_classes',
        exists (select from warehouse.dim_classes) and not exists (select from analytics.class_statistics)
    ),
    (
        -- days outside 2000 to 2050 are in no dashboard
        'daily_dashboard', 'fact_student_progress, fact_attendance',
        (
            exists (select from warehouse.fact_student_progress where date_key > 0)
            or exists (select from warehouse.fact_attendance where date_key > 0)
        )
        and not exists (select from analytics.daily_dashboard)
    ),
    (
        'data_quality', 'etl.rule_stats',
        exists (select from etl.rule_stats inner join etl.drops using (drop_id) where status = 'staged')
        and not exists (select from analytics.data_quality)
    )
) as m (mart, source, is_empty)
where is_empty
