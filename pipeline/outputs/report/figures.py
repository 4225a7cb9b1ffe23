"""Figures: what the report page shows, read from the marts and the ledger: summed up and cut in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from pipeline import definitions, held
from pipeline.datasets import DATASETS
from pipeline.drops import Drop, datasets_without_a_file, unsettled
from pipeline.outputs.report.facts import NOTICED, Facts, Opinions, Row
from pipeline.run import State
from pipeline.sources.folder import printable

# Rows of a list, and classes drawn: a page is read, a table is searched.
LISTED, RULES, COURSES, DROPS = 25, 12, 10, 40
# So many classes are drawn at most (with the school: rows of four); of more, those that need most attention.
CLASSES, CLASSES_OF_MANY = 11, 7
WEEKS = 26  # of the charts

SCHOOL = """
    with days as (
        select d.*, coalesce(d.date > d.as_of - :activity_long, false) as recent
        from analytics.daily_dashboard as d
        where d.date <= coalesce(d.as_of, 'infinity')
    ),
    totals as (
        select
            sum(present_count) / nullif(sum(students_with_attendance), 0) as attendance,
            sum(present_count) filter (where recent)
            / nullif(sum(students_with_attendance) filter (where recent), 0) as recent_attendance,
            sum(avg_score * assessment_count) / nullif(sum(assessment_count), 0) as score,
            sum(avg_score * assessment_count) filter (where recent)
            / nullif(sum(assessment_count) filter (where recent), 0) as recent_score,
            count(*) filter (where students_with_attendance > 0) as attendance_days,
            coalesce(sum(assessment_count), 0) as assessments,
            coalesce(sum(learning_events), 0) as events
        from days
    )
    select
        t.attendance, t.recent_attendance, t.score / 100 as score, t.recent_score / 100 as recent_score,
        t.attendance_days, t.assessments, t.events,
        count(*) filter (where not i.is_inferred) as students,
        count(*) filter (where i.is_inferred) as unknown_students,
        count(*) filter (where s.is_active and not i.is_inferred) as active,
        count(*) filter (where s.is_active and not i.is_inferred and s.active_days_{activity_long} > 0)
            as active_lately,
        sum(s.avg_completion * s.courses) / nullif(sum(s.courses) filter (where s.avg_completion is not null), 0) / 100
            as completion,
        coalesce(sum(s.tickets_open), 0) as tickets_open,
        coalesce(sum(s.tickets_total), 0) as tickets
    from totals as t
    left join (
        analytics.student_360 as s inner join warehouse.dim_students as i using (student_id)
    ) on true
    group by t.attendance, t.recent_attendance, t.score, t.recent_score, t.attendance_days, t.assessments, t.events
"""

NEEDING = """
    with means as (
        select student_key, avg(score_percentage) as score from warehouse.fact_assessments group by student_key
    ),
    course_means as (
        select student_key, avg(score) as score from warehouse.fact_student_progress group by student_key
    ),
    looked_at as (
        select
            s.student_id, s.full_name, s.class_id, s.courses, s.avg_score as course_score, s.last_activity,
            s.days_since_activity, p.absent_days, p.total_attendance_days, p.avg_score, p.total_assessments,
            p.present_days::numeric / nullif(p.total_attendance_days, 0) as attendance,
            -- as in class_statistics, not by what is rounded to be shown: 0.746 and 39.996 are below
            coalesce(100 * p.present_days < :look_attendance * p.total_attendance_days, false) as absent,
            coalesce(m.score < :look_score, false) as low,
            coalesce(c.score < :look_score, false) as low_course,
            coalesce(s.days_since_activity >= :look_away, false) as away,
            s.as_of is not null and s.last_activity is null as never
        from analytics.student_360 as s
        inner join warehouse.dim_students as i using (student_id)
        left join analytics.student_performance_summary as p using (student_id)
        left join means as m using (student_key)
        left join course_means as c using (student_key)
        where s.is_active and not i.is_inferred -- an id that nobody knows is a matter of data quality
    ),
    needing as (
        select l.*, absent::integer + low::integer + low_course::integer + away::integer + never::integer as reasons
        from looked_at as l
        where absent or low or low_course or away or never
    )
"""

# Several reasons first; then who misses most, scores least, is away longest.
NEEDING_FIRST = f"""
    {NEEDING}
    select * from needing
    order by reasons desc, absent desc, attendance, low desc, avg_score, low_course desc, course_score,
        days_since_activity desc nulls last, student_id
    limit :most
"""

NEEDING_COUNTS = f"""
    {NEEDING}
    select
        count(*) as total, count(*) filter (where absent) as absent, count(*) filter (where low) as low,
        count(*) filter (where low_course) as low_course, count(*) filter (where away) as away,
        count(*) filter (where never) as never
    from needing
"""

CLASS_LIST = """
    select *, count(*) over () as classes
    from (
        select
            c.*,
            students_below_{look_attendance}_attendance as often_absent,
            students_below_{look_score}_score as low_scorers
        from analytics.class_statistics as c
    ) as c
    order by
        (often_absent + low_scorers)::numeric / nullif(active_students, 0) desc nulls last, attendance_rate, class_id
    limit :most
"""

# The class's share of the days of the charts: of the chosen classes only.
CLASS_DAYS = """
    with school as (
        select
            null as class_id, date, students_with_attendance, present_count, assessment_count, avg_score,
            coalesce(as_of, max(date) over ()) as until
        from analytics.daily_dashboard
        where students_with_attendance > 0 or assessment_count > 0
    ),
    classes as (
        select
            class_id, date, students_with_attendance, present_count, assessment_count, avg_score,
            coalesce(as_of, max(date) over ()) as until
        from analytics.class_daily_performance
        where class_id = any(:classes)
    )
    select * from school where date <= until and date > until - 7 * cast(:weeks as integer)
    union all
    select * from classes where date <= until and date > until - 7 * cast(:weeks as integer)
    order by class_id nulls first, date
"""

COURSE_LIST = """
    select c.*, count(*) over () as courses_in_all from analytics.course_performance as c
    order by enrollments desc, course_id limit :most
"""

ACTIVITY = """
    select date, learning_events, learning_hours
    from (select d.*, coalesce(as_of, max(date) over ()) as until from analytics.daily_dashboard as d) as d
    where learning_events > 0 and date <= until and date > until - 7 * cast(:weeks as integer)
    order by date
"""

DROP_LIST = """
    select
        d.drop_id, d.drop_date, d.dataset, coalesce(d.path, d.dataset) as path, d.status,
        d.read, d.current, d.superseded, d.duplicate, d.rejected,
        coalesce(o.rows, 0) as open_rejects
    from etl.drops as d
    left join (select drop_id, count(*) as rows from staging.open_rejects group by drop_id) as o using (drop_id)
    where d.status <> 'retracted' -- as if it had never come
    order by d.drop_id = any(:waiting) desc, d.drop_date desc, d.dataset, d.path collate "C", d.drop_id
    limit :most
"""

DROP_TOTALS = """
    select
        count(*) as drops, coalesce(sum(read), 0) as read, coalesce(sum(current), 0) as current,
        coalesce(sum(superseded), 0) as superseded, coalesce(sum(duplicate), 0) as duplicate,
        coalesce(sum(rejected), 0) as rejected, (select count(*) from staging.open_rejects) as open_rejects
    from etl.drops
    where status <> 'retracted'
"""

RULE_LIST = """
    with reads as (
        select dataset, sum(read) as read from etl.drops where status = 'staged' group by dataset
    ),
    found as (
        select dataset, column_name, rule, sum(flagged) as flagged, sum(rejected) as rejected
        from analytics.data_quality
        group by dataset, column_name, rule
        having sum(flagged + rejected) > 0
    )
    select f.*, r.read, (f.flagged + f.rejected) / nullif(r.read, 0) as share, count(*) over () as rules
    from found as f
    inner join reads as r using (dataset)
    order by share desc, dataset, column_name, rule
    limit :most
"""

REJECTS = """
    select coalesce(d.path, d.dataset) as path, r.line, r.reasons, count(*) over () as rejects
    from staging.open_rejects as r
    inner join etl.drops as d using (drop_id)
    order by d.drop_date desc, d.dataset, d.path collate "C", d.drop_id, r.line
    limit :most
"""

WORST = """
    select dataset, item, reason, count(*) over () as worst
    from analytics.review_queue
    where kind = 'worst_row'
    order by substring(other from '[0-9]+')::integer, dataset, item, reason
    limit :most
"""

QUEUE = "select kind, count(*) as findings from analytics.review_queue group by kind order by findings desc, kind"


RISK = """
    select m.student_id, m.full_name, r.score, r.category, r.explanation
    from analytics.student_360 as m
    inner join warehouse.dim_students as s using (student_id)
    inner join warehouse.ai_student_risk as r using (student_key)
    where m.is_active and not s.is_inferred and r.category in ('High', 'Critical')
    order by r.score desc, m.student_id
    limit :most
"""

RISK_COUNTS = """
    select m.risk_category as category, count(*) as students
    from analytics.student_360 as m inner join warehouse.dim_students as s using (student_id)
    where m.is_active and not s.is_inferred and m.risk_category is not null
    group by m.risk_category
"""

# recent: in the days that end with as_of.
TICKETS = """
    with tickets as (
        select
            a.*, t.status, d.date as created_date,
            coalesce(d.date > n.as_of - :activity_long and d.date <= n.as_of, false) as recent
        from warehouse.ai_ticket_analysis as a
        inner join warehouse.fact_support_tickets as t using (ticket_id)
        left join warehouse.dim_date as d on t.created_date_key = d.date_key
        cross join analytics.as_of as n
    )
"""

MOODS = f"""
    {TICKETS}
    select sentiment, count(*) as tickets, count(*) filter (where recent) as recent, bool_or(source = 'llm') as by_model
    from tickets
    group by sentiment
"""

ISSUES = f"""
    {TICKETS}
    select issue, count(*) as tickets, count(*) filter (where recent) as recent
    from tickets cross join unnest(key_issues) as issue
    group by issue
    order by recent desc, tickets desc, issue
    limit :most
"""

PRESSING = f"""
    {TICKETS}
    select ticket_id, created_date, sentiment, priority, category, key_issues, count(*) over () as pressing
    from tickets
    where status not in ('Resolved', 'Closed')
        and (priority = 'Critical' or sentiment in ('Negative', 'Very Negative') and priority = 'High')
    order by priority <> 'Critical', sentiment_score, created_date, ticket_id
    limit :most
"""


def _opinions(db: Connection) -> Opinions:
    moods = _rows(db, MOODS)
    pressing = _rows(db, PRESSING, most=COURSES)
    return Opinions(
        risk=_rows(db, RISK, most=LISTED),
        risk_counts={row["category"]: row["students"] for row in _rows(db, RISK_COUNTS)},
        moods={row["sentiment"]: row for row in moods},
        issues=_rows(db, ISSUES, most=COURSES),
        pressing=pressing,
        pressing_count=pressing[0]["pressing"] if pressing else 0,
        by_model=any(row["by_model"] for row in moods),
    )


def facts(db: Connection, state: State) -> Facts:
    """Everything the page shows."""
    # not by drop id, which depends on the order of arrival
    waiting = sorted(unsettled(state.drops), key=lambda drop: (drop.drop_date, drop.dataset, drop.path or ""))
    classes = _rows(db, CLASS_LIST, most=CLASSES)
    class_count = classes[0]["classes"] if classes else 0
    classes = classes if class_count <= CLASSES else classes[:CLASSES_OF_MANY]
    courses = _rows(db, COURSE_LIST, most=COURSES)
    rules = _rows(db, RULE_LIST, most=RULES)
    rejects = _rows(db, REJECTS, most=LISTED)
    worst = _rows(db, WORST, most=COURSES)
    ids = [drop.drop_id for drop in waiting]
    drops = _rows(db, DROP_LIST, most=max(DROPS, len(ids)), waiting=ids)
    return Facts(
        as_of=db.execute(text("select as_of from analytics.as_of")).scalar_one_or_none(),
        school=_rows(db, SCHOOL)[0],
        waiting=[_to_decide_by(db, state, drop, look=place < NOTICED) for place, drop in enumerate(waiting)],
        strays=[(printable(path), why) for path, why in state.scan.waiting],
        no_drops=[(printable(path), why) for path, why in state.scan.unmatched[:LISTED]],
        missing=datasets_without_a_file(state.taken),
        needing=_rows(db, NEEDING_FIRST, most=LISTED),
        needing_counts=_rows(db, NEEDING_COUNTS)[0],
        classes=classes,
        class_count=class_count,
        days=_rows(db, CLASS_DAYS, classes=[row["class_id"] for row in classes], weeks=WEEKS),
        courses=courses,
        course_count=courses[0]["courses_in_all"] if courses else 0,
        activity=_rows(db, ACTIVITY, weeks=WEEKS),
        drops=[{**row, "path": printable(row["path"]), "waiting": row["drop_id"] in ids} for row in drops],
        drop_totals=_rows(db, DROP_TOTALS)[0],
        rules=rules,
        rule_count=rules[0]["rules"] if rules else 0,
        rejects=[{**row, "path": printable(row["path"])} for row in rejects],
        reject_count=rejects[0]["rejects"] if rejects else 0,
        worst=_places(db, worst),
        worst_count=worst[0]["worst"] if worst else 0,
        queue=_rows(db, QUEUE),
        opinions=_opinions(db),
    )


def _to_decide_by(db: Connection, state: State, drop: Drop, *, look: bool) -> Row:
    """A drop that waits. look: whether it is shown, and so looked at."""
    seen = held.outlook(db, state, drop) if look and drop.status == "held" else None
    return {
        **vars(drop),
        "reason": printable(drop.reason or ""),
        "effects": seen.effects() if seen else [],
        "classes": seen.by_class() if seen and seen.before else [],
        "decided": held.decided(db, drop.dataset),
    }


def _rows(db: Connection, query: str, **values: Any) -> list[dict[str, Any]]:
    """Rows of a query, whose definitions are bound and filled in."""
    defined = definitions.bound(query)
    return [dict(row._mapping) for row in db.execute(text(definitions.filled(query)), {**defined, **values})]


def _places(db: Connection, worst: Sequence[Row]) -> list[Row]:
    """The rows with the file and line they came from."""
    found: dict[tuple[str, str], Row] = {}
    for name in {row["dataset"] for row in worst}:
        dataset = DATASETS[name]
        query = f"""
            select s.{dataset.key} as item, coalesce(d.path, d.dataset) as path, s._line as line
            from staging.{dataset.table} as s inner join etl.drops as d on s._drop_id = d.drop_id
            where s.{dataset.key} = any(:items)
        """
        items = [row["item"] for row in worst if row["dataset"] == name]
        for place in _rows(db, query, items=items):
            found[name, place["item"]] = {"path": printable(place["path"]), "line": place["line"]}
    nowhere = {"path": "–", "line": None}
    return [{**row, **found.get((row["dataset"], row["item"]), nowhere)} for row in worst]
