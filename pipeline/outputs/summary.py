"""Run summary: what was rebuilt and why, the balance of every drop, rows per table."""

from __future__ import annotations

import json
import re
from typing import Any

import luigi
from sqlalchemy import Connection, text

from pipeline.drops import datasets_without_a_file, unsettled
from pipeline.engine import OFF, sent_line
from pipeline.enrich import Opinions, opinions
from pipeline.ingest import Ingest
from pipeline.marts import Marts
from pipeline.outputs.artifact import Artifact, intake_digest
from pipeline.outputs.markdown import plain, table
from pipeline.outputs.mart_files import MartFiles
from pipeline.outputs.pages import InsightsPage, ReportPage
from pipeline.outputs.rejects import RejectFiles
from pipeline.run import State, run_id, this_run
from pipeline.sources.folder import printable
from pipeline.staging import Clean
from pipeline.step import Build, Built
from pipeline.warehouse import Warehouse
from targets.parts import Parts


class RunSummary(Artifact):
    """What the last run that did something did: what was rebuilt and why, the balance per drop, rows per table."""

    target, pattern = "output/run_summary", "run_summary.*"
    recipe = ("pipeline/outputs/markdown.py",)
    notes = re.compile(rb'\ALast attempt: .*\n\n|^  "last_attempt": .*\n', re.M)

    def requires(self) -> list[luigi.Task]:
        tables = (Ingest(), Clean(), Warehouse(), Opinions(), Marts())
        return [*tables, RejectFiles(), MartFiles(), ReportPage(), InsightsPage()]

    def own_parts(self, state: State) -> Parts:
        return {**super().own_parts(state), "intake:": intake_digest(state), "decisions:rejected rows": state.settled}

    def build(self, build: Build) -> Built:
        this_run().note(build.db, "ok")
        facts = summary(build.db, build.state)
        files = {
            "run_summary.json": [json.dumps(facts, indent=2, default=str) + "\n"],
            "run_summary.md": [markdown(facts)],
        }
        return Built(1, 1, content=self.write(build, files).content)


LAYERS = ("raw", "staging", "warehouse", "analytics")


# The columns of a drop's account, as people see it.
ACCOUNT = (
    *("drop_id", "dataset", "path", "drop_date", "status"),
    *("read", "current", "superseded", "duplicate", "rejected", "open_rejects"),
)


def balance(db: Connection) -> list[dict[str, Any]]:
    """One dict per drop: where it came from, its date and status, the account of its rows."""
    query = """
        select
            drop_id, dataset, coalesce(path, dataset) as path, drop_date, status,
            read, current, superseded, duplicate, rejected, decision, reason
        from etl.drops order by drop_date, dataset, drop_id
    """
    return [dict(row._mapping) for row in db.execute(text(query))]


def balance_with_rejects(db: Connection) -> list[dict[str, Any]]:
    """The same, and how many rejected rows of each drop are open still."""
    query = "select drop_id, count(*) as rows from staging.open_rejects group by drop_id"
    still_open = {row.drop_id: row.rows for row in db.execute(text(query))}
    return [{**drop, "open_rejects": still_open.get(drop["drop_id"], 0)} for drop in balance(db)]


def table_rows(db: Connection) -> dict[str, int]:
    """Rows per table, as recorded by the build that made it; in layer order."""
    query = "select target, rows from etl.targets where target not like '%/%' and fingerprint is not null"
    rows = {row.target: row.rows for row in db.execute(text(query))}
    return dict(sorted(rows.items(), key=lambda item: (LAYERS.index(item[0].split(".")[0]), item[0])))


def rebuilt(db: Connection, run: str) -> list[dict[str, Any]]:
    query = """
        select target, why, rows, changed, seconds from etl.targets where run_id = :run order by built_at, target
    """
    return [dict(row._mapping) for row in db.execute(text(query), {"run": run})]


def summary(db: Connection, state: State) -> dict[str, Any]:
    as_of = db.execute(text("select as_of, source from analytics.as_of")).one_or_none()
    return {
        "run_id": run_id(),
        "as_of": as_of.as_of if as_of else None,
        "as_of_from": as_of.source if as_of else None,
        "rebuilt": rebuilt(db, run_id()),
        "drops": [{**drop, "path": printable(drop["path"])} for drop in balance_with_rejects(db)],
        "waiting": [{"drop_id": d.drop_id, "status": d.status, "reason": d.reason} for d in unsettled(state.drops)],
        "tables": table_rows(db),
        "datasets_without_a_file": datasets_without_a_file(state.taken),
        "files_that_are_no_drop": [
            {"path": printable(path), "why": why, "waits": (path, why) in state.scan.waiting}
            for path, why in state.scan.unmatched
        ],
        "flags": flags(db),
        "enrichment": opinions(db),
        "language_model": sent_line(db, run_id(), state.settings) or OFF,
        "review_queue": {
            row.kind: row.rows
            for row in db.execute(
                text("select kind, count(*) as rows from analytics.review_queue group by 1 order by 1")
            )
        },
    }


def flags(db: Connection) -> list[dict[str, Any]]:
    """How many values each rule changed, flagged and rejected, over all staged drops."""
    query = """
        select d.dataset, s."column", s.rule, sum(s.changed) as changed, sum(s.flagged) as flagged,
            sum(s.rejected) as rejected
        from etl.rule_stats as s inner join etl.drops as d using (drop_id)
        where d.status = 'staged'
        group by 1, 2, 3 having sum(s.changed + s.flagged + s.rejected) > 0 order by 1, 2, 3
    """
    return [
        {key: int(value) if key in ("changed", "flagged", "rejected") else value for key, value in row._mapping.items()}
        for row in db.execute(text(query))
    ]


def markdown(facts: dict[str, Any]) -> str:
    as_of = (
        f"{facts['as_of']} (from the {facts['as_of_from']})"
        if facts["as_of"]
        else "unknown: no day with two active students"
    )
    parts = [f"# Run {facts['run_id']}\n\nas_of: {as_of}\n"]
    parts.append("## Balance per drop\n\nread = current + superseded + duplicate + rejected\n")
    parts.append(_table(facts["drops"], list(ACCOUNT)))
    parts += [f"- drop {drop['drop_id']} {drop['status']}: {plain(drop['reason'])}\n" for drop in facts["waiting"]]
    for title, key in (
        ("Datasets without a file", "datasets_without_a_file"),
        ("Files that are no drop", "files_that_are_no_drop"),
    ):
        if facts[key]:
            named = [item if isinstance(item, str) else f"{item['path']}: {item['why']}" for item in facts[key]]
            parts.append(f"## {title}\n\n" + "".join(f"- {plain(name)}\n" for name in named))
    parts.append(
        "## Rows per table\n\n"
        + _table([{"table": name, "rows": rows} for name, rows in facts["tables"].items()], ["table", "rows"])
    )
    parts.append(
        "## What the rules did\n\n"
        + _table(facts["flags"], ["dataset", "column", "rule", "changed", "flagged", "rejected"])
    )
    parts.append(
        "## Enrichment: opinions, and where they are from\n\n"
        + f"{plain(facts['language_model'])}\n\n"
        + _table(facts["enrichment"], ["agent", "source", "reason", "records"])
    )
    if facts["review_queue"]:
        queue = [{"kind": kind, "findings": rows} for kind, rows in facts["review_queue"].items()]
        parts.append("## To review (analytics.review_queue)\n\n" + _table(queue, ["kind", "findings"]))
    parts.append("## Rebuilt, and why\n\n" + _table(facts["rebuilt"], ["target", "why", "rows", "changed", "seconds"]))
    return "\n".join(parts)


def _table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    return table(columns, ([plain(row[column]) for column in columns] for row in rows)) if rows else "Nothing.\n"
