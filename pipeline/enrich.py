"""Enrichment: what agents think of tickets, students and datasets, as ordinary tables.

The SELECT of a step gives one record per row; only records that are new or changed since they were analysed (or that
are analysed otherwise now) are analysed again. The rules in agents/ answer, unless the school says `llm = on` and there
is a key: then a language model does, and the rules wherever it fails: each row says which, and why.
"""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import luigi
import pyarrow as pa
from sqlalchemy import Connection, text

from pipeline import definitions
from pipeline.config import PROJECT
from pipeline.engine import engine_for, no_model, refusals
from pipeline.log import Progress
from pipeline.run import State
from pipeline.step import Build, Built, Goal
from pipeline.warehouse import SqlStep
from targets import parts as digests
from targets.parts import Parts
from targets.postgres.copy import copy_in
from targets.table import add_foreign_keys, apply_difference, columns_of, count_rows

if TYPE_CHECKING:
    from agents.protocol import Engine, Verdict

Values = Mapping[Any, Any]  # a row of the database

# A model is asked in chunks, so that the transaction is never idle for long; the rules take more at a time.
CHUNK, CHUNK_OF_MODEL = 5000, 200
# The reasons of a verdict by rules that asking a model again would not change.
FOR_GOOD = ("nothing_to_ask", "sensitive", "no_business", "unread_language")


class Enrichment(SqlStep):
    """The opinions of one agent, one row per record.

    agent  its name; agents/prompts has a prompt of that name
    rules  its modules in agents/, as patterns
    """

    agent: ClassVar[str]
    rules: ClassVar[tuple[str, ...]]

    def recipes(self) -> tuple[str, ...]:
        patterns = ("agents/protocol.py", *(f"agents/{name}" for name in self.rules), f"agents/prompts/{self.agent}.md")
        modules = [path for pattern in patterns for path in sorted(PROJECT.glob(pattern))]
        return (*super().recipes(), "pipeline/enrich.py", *(str(path.relative_to(PROJECT)) for path in modules))

    def own_parts(self, state: State) -> Parts:
        reason = no_model(state.settings)
        engine = f"rules ({reason})" if reason else f"llm {state.settings.llm_model} {refusals()}"
        return {**super().own_parts(state), f"engine:{self.agent}": engine}

    def analyst(self) -> Any:
        """The agent itself; imported late, as most runs ask none."""
        raise NotImplementedError  # each has its own

    def record(self, row: Values) -> Any:
        """What the agent is given."""
        raise NotImplementedError  # each has its own

    def opinion(self, row: Values, verdict: Verdict[Any]) -> dict[str, Any]:
        """The columns of the target that the SELECT does not give."""
        raise NotImplementedError  # each has its own

    def build(self, build: Build) -> Built:
        db = build.db
        incremental = self._select_records(build)
        same = " and ".join(f"t.{name} = r.{name}" for name in self.key)
        db.exec_driver_sql(f"create temp table made on commit drop as table {self.target} with no data")
        with engine_for(db, build.state.settings) as engine:
            analysed = self._analyse(build, engine, same)
        db.exec_driver_sql(f"analyze made ({', '.join(self.key)})")
        content = [name for name in columns_of(db, self.target) if name not in self.key]
        whole = "" if incremental else "records"
        found = apply_difference(
            db, self.target, "made", key=self.key, content=content, build=build.number, whole=whole
        )
        rows = count_rows(db, self.target, found, build.rows if incremental else None)
        add_foreign_keys(db, self.target)
        return Built(rows, found.changed, invalidates_incremental=found.deleted > 0, note=f"{analysed:,} analysed")

    def _select_records(self, build: Build) -> bool:
        """`records`: those of the SELECT, each with a digest of what it says and of what analyses it."""
        select, values, incremental = self.query(build)
        build.db.execute(
            text(f"""
                create temp table records on commit drop as
                select r.*, md5(cast(:agent as text) || r::text) as _input from ({select}) as r
            """),
            {"agent": digests.fingerprint(self.own_parts(build.state)), **values},
        )
        build.db.exec_driver_sql(f"analyze records ({', '.join(self.key)})")
        return incremental

    def _analyse(self, build: Build, engine: Engine, same: str) -> int:
        """Fill `made` with the opinions on records that are new or changed; return how many."""
        by_model = not no_model(build.state.settings)
        again = " or true" if build.recipe_changed else ""  # forgotten, or made another way: whatever stands there
        again += " or (t.source = 'rules' and t.reason <> all(:for_good))" if by_model else ""
        query = text(f"""
            select r.* from records as r left join {self.target} as t on {same}
            where t._input is distinct from r._input{again}
            order by {", ".join(f"r.{name}" for name in self.key)}
        """)
        many = CHUNK_OF_MODEL if by_model else CHUNK
        values = {"for_good": list(FOR_GOOD)} if by_model else {}
        found = build.db.execute(query.execution_options(yield_per=many), values).mappings().partitions(many)
        progress = Progress(f"analysing for {self.target}")
        for rows in found:
            with _without_collector():
                opinions = self._opinions(engine, rows)
            copy_in(build.db, "made", [opinions])
            progress.add(len(rows))
        return progress.rows

    def _opinions(self, engine: Engine, rows: Sequence[Values]) -> pa.Table:
        records = [self.record(row) for row in rows]
        verdicts = engine.analyse(self.analyst(), records)
        opinions = [
            {**self.opinion(row, verdict), **provenance(verdict), "_input": row["_input"]}
            for row, verdict in zip(rows, verdicts, strict=True)
        ]
        return as_table(opinions)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Opinions are many small objects without cycles: looking for some at every few takes a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def as_table(rows: Sequence[Values]) -> pa.Table:
    """Rows of equal columns, as COPY takes them."""
    return pa.table({name: _texts([row[name] for row in rows]) for name in rows[0]})


def _texts(values: list[Any]) -> pa.Array:
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {int}:
        return pa.array(values, pa.int64()).cast(pa.string())
    return pa.array(values if kinds <= {str} else map(literal, values), pa.string())


def provenance(verdict: Verdict[Any]) -> dict[str, str | None]:
    """Where an opinion is from, as the columns of every table of opinions."""
    return {
        "source": verdict.source,
        "reason": verdict.reason,
        "model": verdict.model,
        "prompt_version": verdict.prompt_version,
    }


def literal(value: Any) -> str | None:
    """A value as PostgreSQL reads it; a tuple of texts is an array."""
    if value is None or isinstance(value, str):
        return value
    return _array(value) if isinstance(value, tuple) else str(value)


@functools.lru_cache(maxsize=4096)  # few combinations, many rows
def _array(items: tuple[str, ...]) -> str:
    quoted = ('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items)
    return "{" + ",".join(quoted) + "}"


class TicketAnalysis(Enrichment):
    """Mood, subject and urgency of each support ticket."""

    target, key, agent = "warehouse.ai_ticket_analysis", ("ticket_id",), "ticket_analysis"
    rules = ("tickets/*.py", "tickets/*.toml")

    def analyst(self) -> Any:
        from agents.tickets import TicketAgent

        return TicketAgent()

    def record(self, row: Values) -> Any:
        from agents.tickets import Ticket

        return Ticket(row["ticket_id"], row["subject"], row["description"])

    def opinion(self, row: Values, verdict: Verdict[Any]) -> dict[str, Any]:
        from agents.tickets import TicketAgent

        opinion = verdict.opinion
        by_rules = opinion if verdict.source == "rules" else TicketAgent().opine(self.record(row))
        return {
            self.key[0]: row[self.key[0]],
            "student_key": row["student_key"],
            "sentiment": opinion.sentiment,
            "sentiment_score": opinion.sentiment_score,
            "category": opinion.category,
            "priority": opinion.priority,
            "key_issues": opinion.key_issues,
            "response_template": opinion.response_template,
            "response": opinion.response,
            "language": opinion.language,
            "rule_sentiment": by_rules.sentiment,
        }


class FeedbackMood(TicketAnalysis):
    """Mood of the comment in each feedback."""

    target, key = "warehouse.ai_feedback_mood", ("feedback_id",)

    def record(self, row: Values) -> Any:
        from agents.tickets import Ticket

        return Ticket(row["feedback_id"], None, row["comment"])

    def opinion(self, row: Values, verdict: Verdict[Any]) -> dict[str, Any]:
        opinion = super().opinion(row, verdict)
        kept = (*self.key, "student_key", "sentiment", "sentiment_score", "language", "rule_sentiment")
        return {name: opinion[name] for name in kept}


class StudentRisk(Enrichment):
    """How likely each student is to drop out, and why."""

    target, key, agent = "warehouse.ai_student_risk", ("student_key",), "student_risk"
    rules, definitions = ("risk.py", "wording.py"), ("RISK",)

    def analyst(self) -> Any:
        from agents.risk import RiskAgent

        return RiskAgent(definitions.RISK)

    def record(self, row: Values) -> Any:
        from agents.risk import StudentFacts

        return StudentFacts(str(row["student_key"]), *(row[name] for name in RISK_FACTS))

    def opinion(self, row: Values, verdict: Verdict[Any]) -> dict[str, Any]:
        opinion = verdict.opinion
        return {
            "student_key": row["student_key"],
            "as_of": row["as_of"],
            **{name: row[name] for name in RISK_FACTS},
            "score": opinion.score,
            "category": opinion.category,
            "factors": tuple(factor.code for factor in opinion.factors if factor.points),
            "interventions": opinion.interventions,
            "explanation": opinion.explanation,
        }


RISK_FACTS = ("days_since_activity", "mean_completion", "payment_status", "negative_tickets", "low_scores")


class QualityAnalysis(Enrichment):
    """Why rows of each dataset went wrong, and what to mend."""

    target, key, agent = "analytics.ai_quality", ("dataset",), "quality_analysis"
    rules, definitions = ("quality.py", "causes.py", "wording.py"), ("QUALITY", "dates_earliest")

    def analyst(self) -> Any:
        from agents.quality import QualityAgent

        return QualityAgent(definitions.QUALITY, definitions.DATES.earliest)

    def record(self, row: Values) -> Any:
        from agents.quality import DatasetQuality, ReasonCount, RuleCount

        return DatasetQuality(
            dataset=row["dataset"],
            rows_read=row["rows_read"],
            rejected=row["rejected"],
            duplicates=row["duplicates"],
            rules=tuple(RuleCount(*rule) for rule in row["rules"]),
            samples=tuple(ReasonCount(*reason) for reason in row["reasons"]),
        )

    def opinion(self, row: Values, verdict: Verdict[Any]) -> dict[str, Any]:
        opinion = verdict.opinion
        return {
            **{name: row[name] for name in ("dataset", "rows_read", "rejected", "duplicates")},
            "severity": opinion.severity,
            "summary": opinion.summary,
            "root_causes": " ".join(cause.wording for cause in opinion.root_causes),
            "recommendations": " ".join(opinion.recommendations),
        }


class Insights(Enrichment):
    """The executive summary of what the marts say: one record, a row per line."""

    target, key, agent = "analytics.ai_insights", ("kind", "place"), "insights"
    rules, definitions = ("insights.py", "metrics.py", "wording.py"), ("INSIGHTS", "METRICS")

    def analyst(self) -> Any:
        from agents.insights import InsightsAgent

        return InsightsAgent(definitions.INSIGHTS, definitions.METRICS)

    def build(self, build: Build) -> Built:
        db = build.db
        select, values, _ = self.query(build)
        rows = _measured(db.execute(text(select), values).mappings().all())
        record = _insight_facts(rows)
        with engine_for(db, build.state.settings) as engine:
            (verdict,) = engine.analyse(self.analyst(), [record])
        lines = [{**dict.fromkeys(LINE), **line, **provenance(verdict)} for line in _lines(rows, verdict.opinion)]
        db.exec_driver_sql(f"create temp table made on commit drop as table {self.target} with no data")
        copy_in(db, "made", [as_table(lines)])
        content = [name for name in columns_of(db, self.target) if name not in self.key]
        found = apply_difference(
            db, self.target, "made", key=self.key, content=content, build=build.number, whole="made"
        )
        return Built(len(lines), found.changed)


LINE = ("kind", "place", "as_of", "name", "wording", "value", "previous", "unit", "mart", "better")


def _measured(rows: Sequence[Values]) -> list[Values]:
    """The metrics that a query gives, in the order of the definitions, with what these say of each."""
    given = {row["name"]: row for row in rows}
    return [
        {
            **given[each.name],
            **{"place": place, "wording": each.wording, "unit": each.unit, "mart": each.mart, "better": each.better},
        }
        for place, each in enumerate(definitions.METRICS, 1)
        if each.name in given
    ]


def _insight_facts(rows: Sequence[Values]) -> Any:
    from agents.insights import InsightFacts
    from agents.metrics import Metric

    names = ("name", "wording", "value", "previous", "unit", "mart", "better")
    as_of = rows[0]["as_of"] if rows else None
    return InsightFacts(as_of and as_of.isoformat(), tuple(Metric(*(row[name] for name in names)) for row in rows))


def _lines(rows: Sequence[Values], opinion: Any) -> Iterator[dict[str, Any]]:
    as_of = rows[0]["as_of"] if rows else None
    for row in rows:
        yield {**row, "kind": "metric"}
    for kind, wordings in (("summary", opinion.summary), ("action", opinion.actions)):
        for place, wording in enumerate(wordings, 1):
            yield {"kind": kind, "place": place, "as_of": as_of, "wording": wording}
    for place, found in enumerate(opinion.anomalies, 1):
        line = {"kind": "anomaly", "place": place, "as_of": as_of, "name": found.code, "wording": found.wording}
        yield {**line, "mart": found.mart}


ENRICHMENT: tuple[type[Enrichment], ...] = (TicketAnalysis, FeedbackMood, StudentRisk, QualityAnalysis)


class Opinions(Goal):
    """Goal: what the agents say of tickets, students and rejected rows."""

    def requires(self) -> list[luigi.Task]:
        return [step() for step in ENRICHMENT]


# --- looking --------------------------------------------------------------------------------------------------------


def opinions(db: Connection) -> list[dict[str, Any]]:
    """How many records each agent has an opinion on, from where, and why not from the model."""
    each = [
        f"select '{step.agent}' as agent, source, reason, count(*) as records from {step.target} group by 2, 3"
        for step in ENRICHMENT
    ]
    each.append(
        f"select distinct '{Insights.agent}', source, reason, 1 from {Insights.target}"
    )  # one record, many rows
    query = f"""
        select agent, source, reason, sum(records)::bigint as records from ({" union all ".join(each)}) as o
        group by 1, 2, 3 order by 1, 2, 3
    """
    return [dict(row._mapping) for row in db.execute(text(query))]


def insights(db: Connection, waits: str) -> str:
    """The executive summary as Markdown, each number linked to its mart. waits: what waits for a person, in words."""
    from agents.insights import InsightsOpinion, markdown, with_waiting
    from agents.metrics import Anomaly

    rows = db.execute(text(f"select * from {Insights.target} order by kind, place")).mappings().all()
    of = {kind: [row for row in rows if row["kind"] == kind] for kind in ("metric", "summary", "action", "anomaly")}
    opinion = InsightsOpinion(
        tuple(row["wording"] for row in of["summary"]),
        tuple(row["wording"] for row in of["action"]),
        tuple(Anomaly(row["name"], row["wording"], row["mart"]) for row in of["anomaly"]),
    )
    return markdown(_insight_facts(of["metric"]), with_waiting(opinion, waits))


def explain(db: Connection, student_id: str) -> dict[str, Any] | None:
    """The risk of one student: category, score, each factor, and the smallest change that would lower the category."""
    from agents.risk import StudentFacts, factors_of, smallest_change

    row = (
        db.execute(
            text("""
                select s.student_id, s.full_name, r.*
                from warehouse.ai_student_risk as r inner join warehouse.dim_students as s using (student_key)
                where s.student_id = :student
            """),
            {"student": student_id},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    facts = StudentFacts(student_id, *(row[name] for name in RISK_FACTS))
    rule = definitions.RISK
    return {**row, "factors": factors_of(facts, rule), "change": smallest_change(facts, rule)}
