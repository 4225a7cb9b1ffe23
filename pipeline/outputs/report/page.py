"""Page: what the marts say, as one HTML page for the head of a school. Values in, text out.

Equal facts give equal bytes: no clock, no run, no drop ids. It needs no network and no script, reads on a phone and on
paper, and stays small, because its lists are cut (`Facts` holds the first rows and how many there are).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipeline import definitions
from pipeline.outputs.report import opinions
from pipeline.outputs.report.charts import Points, bar_chart, count_scale, day, line_chart, monday, percent_scale
from pipeline.outputs.report.markup import (
    Html,
    bar,
    count,
    el,
    join,
    more,
    named,
    natural,
    number,
    percent,
    person,
    points,
    several,
    spaced,
    table,
    under,
    words,
)  # fmt: skip

NOTICED = 10  # files that wait
DAILY = 31  # so many days are drawn one by one, more as weeks

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What the page shows; each list with the number of rows it was cut from.

    school       one row of totals, and of the `ACTIVITY.long` days that end with as_of
    waiting      refused and held drops; of a held one `classes` (missing and new by class) and `effects` of approving
    strays       (path, why) of files that wait, because they match no dataset
    no_drops     (path, why) of files that are no drop; missing: datasets without a file
    needing      students who need a look, the most pressing first; needing_counts: how many, in all and for what
    classes      the ones that need most attention, when there are many
    days         attendance and assessments per class and day; class_id None is the school
    activity     learning events and hours per day
    opinions     what enrichment adds
    """

    as_of: date | None
    school: Row
    waiting: Sequence[Row]
    strays: Sequence[tuple[str, str]]
    no_drops: Sequence[tuple[str, str]]
    missing: Sequence[str]
    needing: Sequence[Row]
    needing_counts: Row
    classes: Sequence[Row]
    class_count: int
    days: Sequence[Row]
    courses: Sequence[Row]
    course_count: int
    activity: Sequence[Row]
    drops: Sequence[Row]
    drop_totals: Row
    rules: Sequence[Row]
    rule_count: int
    rejects: Sequence[Row]
    reject_count: int
    worst: Sequence[Row]
    worst_count: int
    queue: Sequence[Row]
    opinions: opinions.Opinions


def page(facts: Facts) -> str:
    """The whole document."""
    sections = [
        _section("students", "Students who need a look", _students(facts)),
        _section("risk", "Students at risk", opinions.at_risk(facts.opinions)),
        _section("classes", "Classes", _classes(facts)),
        _section("courses", "Courses and learning", _courses(facts)),
        _section("tickets", "Support tickets", opinions.tickets(facts.opinions)),
        _section("files", "Files that arrived", _files(facts)),
        _section("quality", "Data quality", _quality(facts)),
    ]
    shown = [(name, title, body) for name, title, body in sections if body]
    links = [el("a", title, href=f"#{name}") for name, title, _ in shown]
    body = [
        el(
            "header",
            el("h1", "Student report"),
            el("p", _as_of(facts), class_="soft"),
            el("nav", *links, aria_label="Sections") if links else None,
        ),
        el(
            "main",
            _waiting(facts),
            _tiles(facts) if _anyone(facts) else _nothing(facts),
            *(el("section", el("h2", title, id=name), body, aria_labelledby=name) for name, title, body in shown),
        ),
        el("footer", el("p", *_footer())),
    ]
    return f"<!DOCTYPE html>\n{el('html', _head(facts), el('body', join(body, Html(chr(10)))), lang='en')}\n"


def _head(facts: Facts) -> Html:
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", "Student report" + (f", {day(facts.as_of)}" if facts.as_of else "")),
        el("link", rel="icon", href="data:,"),
        el("style", Html(Path(__file__).with_name("page.css").read_text(encoding="utf-8"))),
    )


def _section(name: str, title: str, body: Sequence[Html | None]) -> tuple[str, str, Html]:
    return name, title, join(body)


def _as_of(facts: Facts) -> str:
    if facts.as_of is None:
        return "No day with two active students yet: nothing here is measured from a day."
    return f"As of {day(facts.as_of)}. “Last {definitions.ACTIVITY.long} days” are the ones that end with it."


def _footer() -> list[Html | str]:
    return [
        "Made by EduFlow from the files above: the same files give the same page. Everything behind it is in ",
        el("code", "output/marts/"),
        " as CSV and Parquet. It names students: treat it like the files it was made from.",
    ]


def _anyone(facts: Facts) -> bool:
    return bool(facts.school["students"] or facts.school["unknown_students"])


def _nothing(facts: Facts) -> Html:
    said = "No file has brought a student yet." if facts.drops else "No file has arrived yet."
    return el("p", said, " Put the school's or course provider's files into the data folder and run EduFlow again.")


# --- what waits, and the headline -----------------------------------------------------------------------------------


def _waiting(facts: Facts) -> Html | None:
    """What was given and not taken first: it is in none of the numbers below."""
    total = len(facts.waiting) + len(facts.strays)
    if not total:
        return None
    title = f"{several(total, 'file')} wait{'s' if total == 1 else ''} for a decision"
    items = [
        *map(_waiting_drop, facts.waiting),
        *(el("li", el("code", path), f": {why}") for path, why in facts.strays),
    ]
    verbs = ("Put a corrected file at the same place, or have whoever runs EduFlow decide: ",
             el("code", "eduflow approve"), " (a held file) or ", el("code", "refuse"), ".")  # fmt: skip
    return el(
        "div",
        el("h2", title, id="waiting"),
        el("p", f"{'Its' if total == 1 else 'Their'} rows are in none of the numbers below."),
        el("ul", *items[:NOTICED]),
        more(min(len(items), NOTICED), total, "eduflow account"),
        el("p", *verbs) if facts.waiting else None,
        el("p", "A file that no dataset is called like is loaded under another name, or no longer waits when it is "
           "taken away or named in the setting ", el("code", "ignore"), ".") if facts.strays else None,
        class_="notice",
        role="region",
        aria_labelledby="waiting",
    )  # fmt: skip


def _waiting_drop(row: Row) -> Html:
    """Why a drop waits; of a held one how many are missing or new in each class, and what approving it would change."""
    said = [el("b", f"{words(row['dataset'])}, {day(row['drop_date'])}, {row['status']}: "), row["reason"]]
    effects = ", ".join(f"{number(each['count'])} {each['what']}" for each in row["effects"])
    if effects:
        said.append(el("p", f"If it were approved: {effects}."))
    if row["classes"]:
        names = ["*Class", "#Before", "#In this file", "#Missing", "#New"]
        rows = [
            (each["class"], *(number(each[name]) for name in ("before", "here", "missing", "new")))
            for each in row["classes"][:NOTICED]
        ]
        said.append(table("Missing and new, by class", names, rows))
        said.append(more(len(rows), len(row["classes"]), "eduflow account DROP"))
    if row["decided"]:
        before = "; ".join(f"{each['decision']} {day(each['decided_on'])}" for each in row["decided"][:NOTICED])
        said.append(el("p", f"Decided before, of {words(row['dataset'])}: {before}."))
    return el("li", *said)


def _tiles(facts: Facts) -> Html:
    school, lately = facts.school, definitions.ACTIVITY.long
    unknown = f"; and {several(school['unknown_students'], 'unknown id')}" if school["unknown_students"] else ""
    tiles = [_tile("Students", number(school["active"]), f"active, of {number(school['students'])} known{unknown}")]
    if facts.as_of:
        needing = number(facts.needing_counts["total"])
        tiles.append(_tile("Need a look", needing, el("a", "who, and why", href="#students"), look=True))
        share = percent(school["active_lately"] / school["active"], digits=0) if school["active"] else "–"
        tiles.append(
            _tile("Seen lately", number(school["active_lately"]), f"active in the last {lately} days: {share}")
        )
    if school["attendance_days"]:
        tiles.append(_rate_tile(facts, "Attendance", "attendance", "of the student-days"))
    if school["assessments"]:
        tiles.append(_rate_tile(facts, "Mean score", "score", "in assessments"))
    if school["events"]:
        completion = percent(school["completion"]) if school["completion"] is not None else "–"
        tiles.append(_tile("Completion", completion, "of the courses begun, on average"))
    if school["tickets"]:
        tiles.append(
            _tile("Open tickets", number(school["tickets_open"]), f"of {number(school['tickets'])} ever asked")
        )
    return el("dl", *tiles, class_="tiles")


def _tile(name: str, value: str, said: str, *, look: bool = False) -> Html:
    return el(
        "div",
        *(el("dt", name), el("dd", value, class_="big"), el("dd", said)),
        class_="tile look" if look else "tile",
    )


def _rate_tile(facts: Facts, name: str, measure: str, of_what: str) -> Html:
    """The last days, and all days when that is another number; all days alone when the last ones have no record."""
    lately = definitions.ACTIVITY.long
    recent, ever = facts.school[f"recent_{measure}"], facts.school[measure]
    if recent is None:
        return _tile(
            name, percent(ever), f"{of_what}, all days" + (f"; none in the last {lately}" if facts.as_of else "")
        )
    all_days = f"; {percent(ever)} on all days" if percent(ever) != percent(recent) else ""
    return _tile(name, percent(recent), f"{of_what}, last {lately} days{all_days}")


# --- students -------------------------------------------------------------------------------------------------------


def _students(facts: Facts) -> list[Html | None]:
    if not _anyone(facts):
        return []
    counts, look = facts.needing_counts, definitions.LOOK
    kinds = [
        (counts["absent"], f"attendance under {look.attendance}%"),
        (counts["low"], f"a mean assessment score under {look.score} %"),
        (counts["low_course"], f"a mean course score under {look.score} %"),
        (counts["away"], f"no activity for {look.away} days or more"),
        (counts["never"], "no activity on record"),
    ]
    found = ", ".join(f"{what} ({number(count)})" for count, what in kinds if count)
    if not found:
        limits = f"attendance under {look.attendance}%, a mean score under {look.score} %"
        return [el("p", f"None: no active student has {limits}, or {look.away} days without activity.")]
    classes = any(row["class_id"] for row in facts.needing)  # none, where no school is
    names = ["*Student", "Class", "Why"] if classes else ["*Student", "Why"]
    rows = [(person(row), *([row["class_id"] or "no class"] if classes else []), _why(row)) for row in facts.needing]
    return [
        el("p", spaced(f"Active students with {found}."), " Those with several reasons come first."),
        table("Students who need a look", names, rows),
        more(len(facts.needing), counts["total"], "output/marts/student_360.csv, student_performance_summary.csv"),
    ]


def _why(row: Row) -> Html:
    """The reasons in words, each with its numbers."""
    said, look = [], definitions.LOOK
    if row["absent"]:
        days = f"absent on {number(row['absent_days'])} of {number(row['total_attendance_days'])} recorded days"
        said.append((f"Attendance {under(100 * row['attendance'], look.attendance, digits=0)}", days))
    if row["low"]:
        said.append(
            (
                f"Mean assessment score {under(row['avg_score'], look.score)}",
                several(row["total_assessments"], "assessment"),
            )
        )
    if row["low_course"]:
        said.append((f"Mean course score {under(row['course_score'], look.score)}", several(row["courses"], "course")))
    if row["away"]:
        said.append(
            (f"No activity for {number(row['days_since_activity'])} days", f"since {day(row['last_activity'])}")
        )
    if row["never"]:
        said.append(("No activity on record", "enrolled or in the roster, never seen"))
    return el("ul", *(el("li", el("b", what), f": {detail}") for what, detail in said), class_="why")


# --- classes --------------------------------------------------------------------------------------------------------


def _classes(facts: Facts) -> list[Html | None]:
    if not facts.classes:
        return []
    classes, look = list(facts.classes), definitions.LOOK
    whole = len(classes) == facts.class_count
    if whole:
        classes.sort(key=lambda row: natural(row["class_id"]))
    said = (
        None
        if whole
        else el(
            "p",
            spaced(
                f"Of {number(facts.class_count)} classes, the {len(classes)} with the largest share of students under "
                f"{look.attendance}% attendance or under a mean score of {look.score} %. All: "
            ),
            el("code", "output/marts/class_statistics.csv"),
            ".",
        )
    )
    names = ["*Class", "#Grade", "#Active students", "#Attendance", "#Mean score", "#Median score"]
    names += [f"#Students under {look.attendance}% attendance", f"#Students under {look.score} % score"]
    series = by_class(facts.days)
    return [
        said,
        table("Classes", names, map(_class_row, classes)),
        *_trends(classes, series, "attendance"),
        *_trends(classes, series, "score"),
    ]


def _class_row(row: Row) -> list[object]:
    return [
        el("span", row["class_id"], class_="whole"),
        row["grade_level"] or "–",
        number(row["active_students"]),
        percent(row["attendance_rate"], digits=0) if row["attendance_days"] else "–",
        points(row["avg_score"]) if row["assessment_count"] else "–",
        points(row["median_score"]) if row["median_score"] is not None else "–",
        count(row["often_absent"]),
        count(row["low_scorers"]),
    ]


TREND = {  # its name, what it is, the step of its scale in percent
    "attendance": ("Attendance", "Share of the recorded students who were present", 25.0),
    "score": ("Mean score", "Mean score of the assessments, percent of the points to get", 20.0),
}


def by_class(days: Iterable[Row]) -> dict[str | None, list[Row]]:
    found: dict[str | None, list[Row]] = defaultdict(list)
    for row in days:
        found[row["class_id"]].append(row)
    return found


def trend(days: Iterable[Row], measure: str, weekly: bool) -> dict[date, float]:
    """Percent per day or week (its Monday), weighted by students or assessments."""
    sums: dict[date, float] = defaultdict(float)
    weights: dict[date, int] = defaultdict(int)
    for row in days:
        weight = row["students_with_attendance"] if measure == "attendance" else row["assessment_count"]
        total = 100 * row["present_count"] if measure == "attendance" else row["avg_score"] * weight
        if weight:
            when = monday(row["date"]) if weekly else row["date"]
            sums[when] += float(total)
            weights[when] += weight
    return {when: sums[when] / weights[when] for when in sums}


def _trends(classes: Sequence[Row], series: Mapping[str | None, list[Row]], measure: str) -> list[Html | None]:
    """One small chart per class, the school first, all on one scale."""
    # Few children are marked on one day, so a mean score is noise by day.
    weekly = measure == "score" or len({row["date"] for row in series[None] if row["students_with_attendance"]}) > DAILY
    lines: dict[str | None, Points] = {name: trend(rows, measure, weekly) for name, rows in series.items()}
    if not lines[None]:
        return []
    title, what, step = TREND[measure]
    threshold = float(getattr(definitions.LOOK, measure))
    scale = percent_scale(list(lines.values()), step)
    each = "week (from its Monday)" if weekly else "day"
    figures = []
    for name in (None, *(row["class_id"] for row in classes)):
        caption = name or "Whole school"
        chart = line_chart(
            *(lines.get(name, {}), scale),
            style=measure,
            reference=lines[None] if name else {},
            threshold=threshold,
            said=f"{title} of {caption}, per {'week' if weekly else 'day'}",
            weekly=weekly,
        )
        figures.append(el("figure", el("figcaption", caption), chart))
    return [
        el("h3", f"{title} per {'week' if weekly else 'day'}"),
        el("p", f"{what}, per {each}, {_period(list(lines.values()))}."),
        _key(measure, f"{threshold:.0f} %, below which a student needs a look"),
        el("div", *figures, class_="charts"),
    ]


def _period(lines: Sequence[Points]) -> str:
    days = [when for line in lines for when in line]
    return f"{day(min(days), year=min(days).year != max(days).year)} to {day(max(days))}"


def _key(measure: str, threshold: str) -> Html:
    """What the lines mean, each drawn as it is in the charts."""
    square = el("rect", x=14, y=3, width=6, height=6, class_=f"mark {measure}")
    disc = el("circle", cx=17, cy=6, r=3, class_=f"mark {measure}")
    drawn = {
        "the class": [_stroke(f"line {measure}"), square if measure == "score" else disc],
        "whole school": [_stroke("reference")],
        threshold: [_stroke("threshold")],
    }
    return el(
        "div",
        *(el("span", el("svg", *what, viewBox="0 0 34 12", aria_hidden="true"), name) for name, what in drawn.items()),
        class_="key",
    )


def _stroke(style: str) -> Html:
    return el("line", x1=0, x2=34, y1=6, y2=6, class_=style)


# --- courses --------------------------------------------------------------------------------------------------------


def _courses(facts: Facts) -> list[Html | None]:
    if not facts.courses:
        return []
    rows = [
        (
            named(row["course_name"] or "not in a catalogue", row["course_id"]),
            count(row["enrollments"]),
            "–" if row["avg_completion"] is None else bar(points(row["avg_completion"]), row["avg_completion"]),
            "–" if row["avg_score"] is None else points(row["avg_score"]),
            number(row["hours"], digits=1),
        )
        for row in facts.courses
    ]
    return [
        *_activity(facts.activity),
        el("h3", "Courses by number of students"),
        table("Courses", ["*Course", "#Students", "%Mean completion", "#Mean score", "#Hours spent"], rows),
        more(len(facts.courses), facts.course_count, "output/marts/course_performance.csv"),
    ]


def _activity(days: Sequence[Row]) -> list[Html | None]:
    if not days:
        return []
    weekly = (days[-1]["date"] - days[0]["date"]).days >= DAILY
    each = "week" if weekly else "day"
    figures = []
    for measure, title in (("learning_events", "Learning events"), ("learning_hours", "Hours spent learning")):
        counted: dict[date, float] = defaultdict(float)
        for row in days:
            counted[monday(row["date"]) if weekly else row["date"]] += float(row[measure])
        chart = bar_chart(counted, count_scale(counted), said=f"{title} per {each}", weekly=weekly)
        figures.append(el("figure", el("figcaption", title), chart))
    note = f"Per {each}{' (from its Monday)' if weekly else ''}, {day(days[0]['date'])} to {day(days[-1]['date'])}."
    return [el("h3", f"Learning per {each}"), el("p", note), el("div", *figures, class_="charts")]


# --- files ----------------------------------------------------------------------------------------------------------

STATUS = {
    "staged": "loaded",
    "landed": "not yet loaded",
    "held": "held: waits for a decision",
    "refused": "refused",
    "retracted": "taken back",
}
COUNTS = ("read", "current", "superseded", "duplicate", "rejected", "open_rejects")


def _files(facts: Facts) -> list[Html | None]:
    notes = [
        el("p", "No file yet for: ", ", ".join(words(name) for name in facts.missing), ".") if facts.missing else None,
        *(el("p", "Not taken for data: ", el("code", path), f": {why}.") for path, why in facts.no_drops),
    ]
    if not facts.drops:
        return notes if facts.no_drops else []
    rows = [
        (
            named(words(row["dataset"]), row["path"]),
            el("span", day(row["drop_date"]), class_="whole"),
            el("b", STATUS[row["status"]]) if row["waiting"] else STATUS[row["status"]],
            *(count(row[name]) for name in COUNTS),
        )
        for row in facts.drops
    ]
    totals = facts.drop_totals
    foot = (f"All {several(totals['drops'], 'file')}", "", "", *(count(totals[name]) for name in COUNTS))
    names = ["*File", "Day", "Status", "#Read =", "#current +", "#superseded +", "#duplicate +", "#rejected", "#Open"]
    return [
        el("p", "Every row that was read is accounted for: it is current, superseded by a newer file, a duplicate in "
           "its file, or rejected. Open are the rejected rows that nobody has put right yet."),
        table("Files that arrived", names, rows, foot),
        more(len(facts.drops), totals["drops"], "eduflow account", what="older"),
        *notes,
    ]  # fmt: skip


# --- quality --------------------------------------------------------------------------------------------------------

# What a rule of pipeline/rules objects to.
OBJECTIONS = {
    "student_id": "no student id can be made of it",
    "key": "no id",
    "email": "no usable address, or none",
    "phone": "no usable number, or none",
    "date": "no date, one out of range, or none",
    "timestamp": "no time, one out of range, or none",
    "city": "not in the city list",
    "state": "not in the list, or not the city's",
    "number": "no number, negative, or none",
    "percent": "below 0 or above 100",
    "points": "no number, or below 0",
    "code": "a word outside the vocabulary, or none",
    "class_id": "no class can be made of it, or none",
    "grade": "no grade can be made of it",
    "attendance": "not a word of a register",
    "field_count": "too few or too many fields",
}
PROBLEMS = {
    "field_count": "Too few or too many fields",
    "field_rejoined": "Re-joined from too many fields",
    "record_unreadable": "Can't be read",
    "score_above_maximum": "Score above the maximum",
    "max_score_not_positive": "Maximum score is not above 0",
}
FINDINGS = {
    "duplicate_conflict": "rows of one file that contradict each other; the last one counts",
    "fuzzy_duplicate": "students who may be one person",
    "contradiction": "attendance records of one student and day that disagree",
    "unmapped_code": "words outside a vocabulary",
    "orphan": "ids that no enrolment, roster or catalogue knows",
    "worst_row": "rows with three problems or more",
}


def problem(code: str) -> str:
    """A reason or flag in words."""
    return PROBLEMS.get(code, words(code))


def _quality(facts: Facts) -> list[Html | None]:
    if not facts.drops:
        return []
    return [*_rules(facts), *_rejects(facts), *_worst(facts), *_queue(facts)]


def _rules(facts: Facts) -> list[Html | None]:
    if not facts.rules:
        return [el("p", "No rule found anything to object to.")]
    most = max(row["share"] for row in facts.rules)
    rows = [
        (
            named(words(row["column_name"]), words(row["dataset"])),
            OBJECTIONS.get(row["rule"], words(row["rule"])),
            count(row["flagged"]),
            count(row["rejected"]),
            bar(f"{percent(row['share'])} of {number(row['read'])}", 100 * row["share"] / most),
        )
        for row in facts.rules
    ]
    return [
        el("h3", "What the rules objected to"),
        el("p", "Flagged values are kept, with the problem named; rejected rows are set aside. Over all files."),
        table("What the rules objected to", ["*Column", "Problem", "#Flagged", "#Rejected", "%Share of rows"], rows),
        more(len(facts.rules), facts.rule_count, "output/marts/data_quality.csv"),
    ]  # fmt: skip


def _rejects(facts: Facts) -> list[Html | None]:
    if not facts.reject_count:
        return []
    rows = [
        (el("span", row["path"], class_="path"), number(row["line"]), "; ".join(map(problem, row["reasons"])))
        for row in facts.rejects
    ]
    return [
        el("h3", "Rejected rows to put right"),
        el("p", "Mend them in ", el("code", "output/rejects/"), " and put that file into the data folder, or in the "
           "system they come from. In a JSON array the elements are counted."),
        table("Rejected rows to put right", ["*File", "#Line", "What is wrong"], rows),
        more(len(facts.rejects), facts.reject_count, "output/rejects/"),
    ]  # fmt: skip


def _worst(facts: Facts) -> list[Html | None]:
    if not facts.worst_count:
        return []
    rows = [
        (
            el("span", row["path"], class_="path"),
            number(row["line"]) if row["line"] else "–",
            row["item"],
            "; ".join(map(problem, row["reason"].split(", "))),
        )
        for row in facts.worst
    ]
    return [
        el("h3", "Rows with the most problems"),
        el("p", "Kept, but with three problems or more each."),
        table("Rows with the most problems", ["*File", "#Line", "Id", "Problems"], rows),
        more(len(facts.worst), facts.worst_count, "output/marts/review_queue.csv"),
    ]


def _queue(facts: Facts) -> list[Html | None]:
    if not facts.queue:
        return []
    rows = [(words(row["kind"]), number(row["findings"]), FINDINGS.get(row["kind"])) for row in facts.queue]
    return [
        el("h3", "For a person to look at"),
        table("For a person to look at", ["*Kind", "#Findings", "What it is"], rows),
        el("p", "Each of them: ", el("code", "output/marts/review_queue.csv"), "."),
    ]
