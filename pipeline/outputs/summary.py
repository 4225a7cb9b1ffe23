"""Reports: what a run leaves in `output/`, the last word on refused files, and EduFlow, the root of the graph."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import luigi
from luigi.util import requires
from sqlalchemy import Connection, text

from pipeline.config import settings
from pipeline.drops import Waiting, counted, datasets_without_a_file, shown, unsettled, waiting
from pipeline.engine import OFF, sent_line
from pipeline.enrich import Opinions, insights, opinions
from pipeline.formulas import defused
from pipeline.ingest import RAW, Ingest
from pipeline.marts import MARTS, CheckAnalytics, Insights, Marts
from pipeline.sources import OWN
from pipeline.staging import STAGED, Clean
from pipeline.step import (
    Build,
    Built,
    Goal,
    State,
    Step,
    WaitsError,
    current_state,
    failure_recorded,
    log,
    note_run,
    read_state,
    run_id,
    transaction,
)
from pipeline.warehouse import DimStudents, Warehouse
from targets import export
from targets.artifact import FILE_MODE, Content, Notes, Written, fault, write_files
from targets.database import retrying
from targets.parts import Parts, digest


class Artifact(Step):
    """Files in the output folder. pattern: what they are called there. notes: what attempts add to them."""

    pattern: ClassVar[str]
    mode: ClassVar[int] = FILE_MODE
    edits_are_kept: ClassVar[bool] = False
    notes: ClassVar[Notes | None] = None

    def is_current(self, state: State) -> bool:
        """Up to date, and the files on disk are the ones written."""
        return super().is_current(state) and not self.fault(state)

    def fault(self, state: State) -> str:
        """Why the files on disk are not the ones written; "" when they are."""
        content = state.record(self.target).content
        folder = state.settings.output_dir
        return fault(folder, self.pattern, content, edits_are_kept=self.edits_are_kept, notes=self.notes)

    def why(self, state: State) -> str:
        return self.fault(state) if super().is_current(state) else super().why(state)

    def write(self, build: Build, files: Mapping[str, Content]) -> Written:
        state = build.state
        expendable = {drop.sha256 for drop in state.drops if drop.in_raw} if self.edits_are_kept else None
        recorded = state.record(self.target).content
        return write_files(
            state.settings.output_dir,
            self.pattern,
            files,
            recorded=recorded,
            mode=self.mode,
            expendable=expendable,
            notes=self.notes,
        )


class RejectFiles(Artifact):
    """Per drop with open rejects, a file of them: the original columns, ready to be fixed and dropped again."""

    target, pattern, edits_are_kept = "output/rejects", "rejects/*.csv", True
    recipe = ("pipeline/reports.py", "pipeline/formulas.py")

    def requires(self) -> list[luigi.Task]:
        return [step() for step in STAGED.values()]

    def own_parts(self, state: State) -> Parts:
        return {**super().own_parts(state), "decisions:rejected rows": state.settled}

    def build(self, build: Build) -> Built:
        query = """
            select drop_id, dataset, format from etl.drops
            where drop_id in (select drop_id from staging.open_rejects) order by drop_id
        """
        drops = build.db.execute(text(query)).all()
        files = {
            f"rejects/{d.dataset}.rejects-{d.drop_id}.csv": reject_rows(build.db, d.drop_id, d.format) for d in drops
        }
        written = self.write(build, files)
        for edited, ours in written.kept:
            instead = f"the rows that are open now: {ours}" if ours else "none of its rows is open any more"
            log.warning("%s was edited and is kept as it is; %s", shown(edited), shown(instead))
        return Built(len(drops), len(drops), content=written.content, note="files")


def reject_rows(db: Connection, drop_id: int, shape: dict[str, Any]) -> Iterator[str]:
    """CSV lines of a drop's open rejects. A row whose field count was wrong stands whole in `reject_record`.

    Of a reject file that was sent back, its own `reject_...` columns are left out: they are about another drop.
    """
    by_name = "extra" not in shape  # landed when the keys in `_extra` were names, not places
    columns = [
        (name, field, name if by_name else str(place))
        for place, (name, field) in enumerate(zip(shape["header"], shape["fields"], strict=True), 1)
        if name not in OWN
    ]
    yield _csv_line([*(name for name, _, _ in columns), *OWN])
    query = text("""
        select r.line, r.reasons, r.original from etl.rejects as r
        inner join staging.open_rejects as o using (drop_id, line)
        where r.drop_id = :drop order by r.line
    """)
    for row in db.execute(query.execution_options(yield_per=10_000), {"drop": drop_id}):
        extra = row.original.get("_extra") or {}
        cells = [row.original.get(field) if field else extra.get(key) for _, field, key in columns]
        yield _csv_line([*cells, row.line, " ".join(row.reasons), row.original.get("_record")])


def _csv_line(cells: list[Any]) -> str:
    line = io.StringIO()
    # so that a cell with either line end is quoted
    csv.writer(line, lineterminator="\r\n").writerow(
        [defused(cell) if isinstance(cell, str) else cell for cell in cells]
    )
    return line.getvalue().removesuffix("\r\n") + "\n"


class MartFiles(Artifact):
    """Every mart as CSV for a spreadsheet and as Parquet with its types."""

    target, pattern = "output/marts", "marts/*.*"
    recipe = ("pipeline/reports.py", "targets/export.py")

    def requires(self) -> list[luigi.Task]:
        return [Marts()]

    def build(self, build: Build) -> Built:
        files: dict[str, Content] = {}
        for mart in MARTS:
            name = f"marts/{mart.target.removeprefix('analytics.')}"
            files[f"{name}.csv"] = functools.partial(export.write_csv, build.db, mart.target, mart.key)
            files[f"{name}.parquet"] = functools.partial(export.write_parquet, build.db, mart.target, mart.key)
        return Built(len(files), len(files), content=self.write(build, files).content, note="files")


PAGE = ("figures.py", "html.py", "opinions.py", "charts.py", "markup.py", "page.css")


class ReportPage(Artifact):
    """What the marts say, for people: one HTML page."""

    target, pattern = "output/report", "report.html"
    notes = re.compile(rb"<!-- last attempt -->.*\n")
    recipe = (
        *("pipeline/reports.py", "pipeline/held.py"),
        *(f"pipeline/page/{name}" for name in PAGE),
    )
    definitions = ("RISK",)

    def requires(self) -> list[luigi.Task]:
        return [Clean(), DimStudents(), Opinions(), Marts()]

    def own_parts(self, state: State) -> Parts:
        return {**super().own_parts(state), "intake:": intake_digest(state), "decisions:rejected rows": state.settled}

    def build(self, build: Build) -> Built:
        from pipeline.page.figures import facts
        from pipeline.page.html import page

        files = {"report.html": [page(facts(build.db, build.state))]}
        return Built(1, 1, content=self.write(build, files).content, note="page")


class InsightsPage(Artifact):
    """The executive summary."""

    target, pattern = "output/insights", "insights.md"
    recipe = ("pipeline/reports.py", "agents/insights.py", "agents/metrics.py")

    def requires(self) -> list[luigi.Task]:
        return [Insights(), CheckAnalytics()]

    def own_parts(self, state: State) -> Parts:
        return {**super().own_parts(state), "intake:": intake_digest(state)}

    def build(self, build: Build) -> Built:
        waits = counted(waiting(build.state.drops, build.state.scan))
        files = {"insights.md": [insights(build.db, waits)]}
        return Built(1, 1, content=self.write(build, files).content, note="page")


def intake_digest(state: State) -> str:
    """Of what is said beside upstream: refused and held drops, decisions, files that are no drop."""
    out = [(d.drop_id, d.status, d.decision, d.reason) for d in state.drops if d.status in ("refused", "held")]
    return digest([out, state.scan.unmatched])


class RunSummary(Artifact):
    """What the last run that did something did: what was rebuilt and why, the balance per drop, rows per table."""

    target, pattern = "output/run_summary", "run_summary.*"
    notes = re.compile(rb'\ALast attempt: .*\n\n|^  "last_attempt": .*\n', re.M)
    recipe = ("pipeline/reports.py",)

    def requires(self) -> list[luigi.Task]:
        tables = (Ingest(), Clean(), Warehouse(), Opinions(), Marts())
        return [*tables, RejectFiles(), MartFiles(), ReportPage(), InsightsPage()]

    def own_parts(self, state: State) -> Parts:
        return {**super().own_parts(state), "intake:": intake_digest(state), "decisions:rejected rows": state.settled}

    def build(self, build: Build) -> Built:
        note_run(build.db, "ok")
        facts = summary(build.db, build.state)
        files = {
            "run_summary.json": [json.dumps(facts, indent=2, default=str) + "\n"],
            "run_summary.md": [markdown(facts)],
        }
        return Built(1, 1, content=self.write(build, files).content)


# What an attempt adds to metrics.prom: name -> help.
ATTEMPT_METRICS = {
    "last_attempt_timestamp_seconds": "When the last attempt to run ended, whatever became of it.",
    "last_attempt_exit_code": "Its exit code: 0 is good, 30 says that something failed or waits for a person.",
    "last_attempt_duration_seconds": "How long it took.",
    "last_success_timestamp_seconds": "When an attempt last ended with exit code 0.",
    "last_new_data_timestamp_seconds": "When a file last arrived.",
    "waiting": "What waits for a person, by kind: held and refused drops, files that were not recognised.",
}


class Metrics(Artifact):
    """The run in numbers, for Prometheus."""

    target, pattern = "output/metrics", "metrics.prom"
    notes = re.compile(rf"^(?:# (?:HELP|TYPE) )?eduflow_(?:{'|'.join(ATTEMPT_METRICS)})\b.*\n".encode(), re.M)
    mode = 0o644  # it holds no names, and the node exporter runs as another user
    recipe = ("pipeline/metrics.py",)

    def requires(self) -> list[luigi.Task]:
        return [RunSummary()]

    def build(self, build: Build) -> Built:
        from pipeline.metrics import exposition

        note_run(build.db)  # the first step of its run when the one before was killed after the summary
        files = {"metrics.prom": [exposition(build.db, run_id())]}
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
            drop_id, dataset, path, drop_date, status, read, current, superseded, duplicate, rejected, decision, reason
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
        "drops": [{**drop, "path": shown(drop["path"])} for drop in balance_with_rejects(db)],
        "waiting": [{"drop_id": d.drop_id, "status": d.status, "reason": d.reason} for d in unsettled(state.drops)],
        "tables": table_rows(db),
        "datasets_without_a_file": datasets_without_a_file(state.drops),
        "files_that_are_no_drop": [
            {"path": shown(path), "why": why, "waits": (path, why) in state.scan.waiting}
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
    parts += [f"- drop {drop['drop_id']} {drop['status']}: {_cell(drop['reason'])}\n" for drop in facts["waiting"]]
    for title, key in (
        ("Datasets without a file", "datasets_without_a_file"),
        ("Files that are no drop", "files_that_are_no_drop"),
    ):
        if facts[key]:
            named = [item if isinstance(item, str) else f"{item['path']}: {item['why']}" for item in facts[key]]
            parts.append(f"## {title}\n\n" + "".join(f"- {_cell(name)}\n" for name in named))
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
        + f"{_cell(facts['language_model'])}\n\n"
        + _table(facts["enrichment"], ["agent", "source", "reason", "records"])
    )
    if facts["review_queue"]:
        queue = [{"kind": kind, "findings": rows} for kind, rows in facts["review_queue"].items()]
        parts.append("## To review (analytics.review_queue)\n\n" + _table(queue, ["kind", "findings"]))
    parts.append("## Rebuilt, and why\n\n" + _table(facts["rebuilt"], ["target", "why", "rows", "changed", "seconds"]))
    return "\n".join(parts)


def _table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    if not rows:
        return "Nothing.\n"
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join(" --- " for _ in columns) + "|"]
    lines += ["| " + " | ".join(_cell(row[column]) for column in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    """Text as it stands in Markdown: no table cell, tag, link, picture or code of its own."""
    text = "" if value is None else shown(str(value))
    return re.sub(r"([\\|\[\]`*!])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")


class Settled(luigi.Target):
    """Exists while no file waits to be landed and nothing that was given waits for a person."""

    def exists(self) -> bool:
        state = current_state()
        return not waiting(state.drops, state.scan) and not any(step().arrivals(state).new for step in RAW.values())


@requires(summary=RunSummary, rejects=RejectFiles)
class Intake(luigi.Task):
    """The last word: fails, and so the run with exit code 30, while something that was given waits for a person."""

    def output(self) -> Settled:
        return Settled()

    def worth_a_fork(self) -> bool:
        return False

    def run(self) -> None:
        with failure_recorded("intake", settings()):
            waits = retrying(self._noted)
        if waits:
            raise WaitsError(waiting_text(waits))

    def _noted(self) -> list[Waiting]:
        with transaction() as db:
            state = read_state(db)
            waits = waiting(state.drops, state.scan)
            if waits:
                note_run(db, "unsettled")
        return waits


def waiting_kinds(state: State) -> dict[str, int]:
    """How many things wait for a person, by kind."""
    drops = unsettled(state.drops)
    kinds = {kind: sum(drop.status == kind for drop in drops) for kind in ("held", "refused")}
    return {**kinds, "unrecognised": len(state.scan.waiting)}


def waiting_text(waits: list[Waiting]) -> str:
    lines = [f"Everything good is built; {counted(waits)} not:", *(f"  {each}" for each in waits)]
    drops = [each for each in waits if each.is_drop]
    if drops:
        lines.append("Put a corrected file at the same path and run again, or settle it: eduflow refuse DROP")
    if any(" held" in each.what for each in drops):
        lines.append("A held drop is good after all? Look at it with eduflow account DROP, then: approve DROP")
    if len(drops) < len(waits):
        lines.append(
            "A file is loaded under a name that is known; take it away, or name it in the setting `ignore`, and it no "
            "longer waits"
        )
    return "\n".join(lines)


class Outputs(Goal):
    """Goal: the files that a run leaves."""

    def requires(self) -> list[luigi.Task]:
        return [step() for step in (RejectFiles, MartFiles, ReportPage, InsightsPage, RunSummary, Metrics)]


class EduFlow(luigi.WrapperTask):
    """Goal and root: the goals, each of which names all its steps, and that nothing waits for a person."""

    def requires(self) -> list[luigi.Task]:
        return [Ingest(), Clean(), Warehouse(), Opinions(), Marts(), Outputs(), Intake()]
