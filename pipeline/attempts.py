"""Attempts: every run leaves a trace, also one that failed, did nothing, or was interrupted.

`begin` and `end` keep the attempt in `etl.runs`; `end` also writes it into what people and programs look at:
`metrics.prom`, `run_summary.*`, and a banner in a `report.html` that this attempt could not bring up to date. So a
stopped timer, a failing run and a quiet day are three different pictures. When the database can't be reached, the files
alone say so; the next run finds them edited and makes them again.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pipeline.config import Settings, settings
from pipeline.outputs.artifact import Artifact
from pipeline.outputs.intake import waiting_kinds
from pipeline.outputs.pages import ReportPage
from pipeline.outputs.prometheus import ATTEMPT_METRICS, Metrics
from pipeline.outputs.summary import RunSummary
from pipeline.run import current_state, read_state, run_id, this_run, transaction
from targets.artifact import ArtifactError, write_files
from targets.errors import UserError
from targets.postgres.connection import DatabaseError
from targets.postgres.locks import lock

GOING_ON = 0x45445247  # the class of the locks that attempts hold: any constant does
ENDINGS = {0: "ok", 130: "interrupted", 143: "interrupted"}
# A line of Prometheus' text format
EXPOSED = re.compile(r"# (?:HELP|TYPE) \S+ .*|[a-zA-Z_:][\w:]*(?:\{.*\})? (?:NaN|[+-]?(?:Inf|[0-9.]+(?:e[+-]?\d+)?))")


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended. Times are ISO 8601 in UTC; None: never, or the database could not be asked."""

    run_id: str
    goal: str
    ended_at: str
    seconds: float
    exit_code: int
    status: str
    built: int
    landed: int
    waiting: dict[str, int]
    last_success: str | None
    last_new_data: str | None


def begin(db: Connection, goal: str) -> None:
    this_run().note(db)
    db.execute(text("update etl.runs set goal = :goal where run_id = :run"), {"goal": goal, "run": run_id()})


def of_luigi(work: Callable[[], Any], goal: str) -> bool:
    """Do the work of a Luigi worker; its attempt is kept, unless `eduflow run` around it does that."""
    if _going.get():
        return bool(work())
    options, started, good = settings(), time.perf_counter(), False
    with contextlib.ExitStack() as going:
        with contextlib.suppress(DatabaseError):  # the first task says so
            going.enter_context(going_on(options))
        try:
            good = bool(work())
        finally:
            with contextlib.suppress(DatabaseError, DBAPIError, ArtifactError, OSError, UserError):
                publish(options, end(options, goal, 0 if good else 30, time.perf_counter() - started))
    return good


_going: ContextVar[bool] = ContextVar("going on", default=False)


@contextlib.contextmanager
def going_on(options: Settings) -> Iterator[None]:
    """Hold a lock while this attempt goes on: one that was killed has let go of it."""
    connection = options.database.connect()
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s, hashtext(%s))", (GOING_ON, run_id()))
        before = _going.set(True)
        try:
            yield
        finally:
            _going.reset(before)
    finally:
        connection.close()


def end(options: Settings, goal: str, exit_code: int, seconds: float) -> Attempt:
    """Keep in the ledger how this attempt ended."""
    with transaction(options) as db:
        return _kept(db, options, goal, exit_code, seconds)


def end_without_database(options: Settings, goal: str, exit_code: int, seconds: float) -> None:
    """The same when the database can't be reached."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    failed = Attempt(run_id(), goal, now, round(seconds, 3), exit_code, "failed", 0, 0, {}, None, None)
    publish(options, failed, database=False)


def _kept(db: Connection, options: Settings, goal: str, exit_code: int, seconds: float) -> Attempt:
    built = int(
        db.execute(text("select count(*) from etl.targets where run_id = :run"), {"run": run_id()}).scalar_one()
    )
    waiting = waiting_kinds(read_state(db, options))
    status = ENDINGS.get(exit_code, "unsettled" if exit_code == 30 and any(waiting.values()) else "failed")
    begin(db, goal)
    row = db.execute(
        text("""
            update etl.runs as r set
                ended_at = clock_timestamp(), exit_code = :code, built = :built,
                status = case
                    when r.status = 'failed' and :status = 'unsettled' then 'failed'
                    when :status = 'ok' and :built = 0 then 'nothing'
                    else :status
                end,
                landed = (select count(*) from etl.drops where greatest(landed_at, arrived_at) >= r.started_at)
            where run_id = :run
            returning status, landed, ended_at
        """),
        {"run": run_id(), "status": status, "code": exit_code, "built": built},
    ).one()
    seen = db.execute(
        text("""
            select
                (
                    select max(ended_at) from etl.runs
                    where exit_code = 0 and started_at <= clock_timestamp() + interval '1 hour'
                ) as success,
                (select max(greatest(landed_at, arrived_at)) from etl.drops) as new_data
        """)
    ).one()
    return Attempt(
        run_id(),
        goal,
        _iso(row.ended_at),
        round(seconds, 3),
        exit_code,
        row.status,
        built,
        row.landed,
        waiting,
        _iso(seen.success) if seen.success else None,
        _iso(seen.new_data) if seen.new_data else None,
    )


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")


# --- the files ------------------------------------------------------------------------------------------------------


def publish(options: Settings, attempt: Attempt, *, database: bool = True) -> None:
    """Note the attempt in the files of the output folder; these notes are no edits: see `Artifact.notes`."""

    def rewrite(step: Artifact, noted: dict[str, Callable[[str], str]]) -> None:
        # One lock at a time: who builds a step holds its own and waits for those of its inputs.
        with transaction(options) if database else contextlib.nullcontext() as db:
            if db is not None:
                lock(db, step.target, [])
            pages = {name: _read(options.output_dir / name) for name in noted}
            files = {name: [after] for name, page in pages.items() if (after := noted[name](page)) != page}
            if files:
                write_files(options.output_dir, step.pattern, files, mode=step.mode)

    summary: dict[str, Callable[[str], str]] = {
        "run_summary.md": lambda page: f"{in_words(attempt)}\n\n{_unnoted(RunSummary, page)}",
        "run_summary.json": lambda page: _json(page, attempt),
    }
    rewrite(RunSummary(), summary)
    rewrite(Metrics(), {"metrics.prom": lambda page: metrics(page, attempt)})
    is_older = attempt.exit_code and not (database and ReportPage().is_current(current_state()))
    rewrite(ReportPage(), {"report.html": lambda page: _bannered(page, banner(attempt) if is_older else "")})


def _read(path: Path) -> str:
    """A file as it is; one that is no text, or can't be read, is as good as none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _unnoted(step: type[Artifact], page: str) -> str:
    return step.notes.sub(b"", page.encode()).decode() if step.notes else page


def in_words(attempt: Attempt) -> str:
    """One sentence: how the last attempt ended."""
    endings = {
        "ok": f"good, {attempt.built} targets built",
        "nothing": "good, everything was up to date",
        "unsettled": "what is good is built; something waits for a person",
        "interrupted": "interrupted; what was committed is kept",
    }
    how = endings.get(attempt.status, "it failed; what was built before is kept")
    return f"Last attempt: {attempt.ended_at}, exit code {attempt.exit_code} after {attempt.seconds:.1f} s: {how}."


def banner(attempt: Attempt) -> str:
    said = html.escape(in_words(attempt))
    return (
        '<div role="alert" class="older"><strong>This page is older than the last attempt to bring it up to date.'
        f"</strong> {said} Ask who runs EduFlow.</div>"
    )


def _bannered(page: str, block: str) -> str:
    page = _unnoted(ReportPage, page)
    return page.replace("<body>", f"<body><!-- last attempt -->{block}\n", 1) if block else page


def _json(page: str, attempt: Attempt) -> str:
    try:
        facts: Any = json.loads(page or "{}")
    except ValueError:  # edited by hand: the step makes it again
        facts = {}
    kept = facts if isinstance(facts, dict) else {}
    kept.pop("last_attempt", None)
    rest = json.dumps(kept, indent=2).removeprefix("{").removesuffix("}")
    return f'{{\n  "last_attempt": {json.dumps(asdict(attempt))}{"," if kept else ""}{rest or chr(10)}}}\n'


def metrics(page: str, attempt: Attempt) -> str:
    """The exposition with this attempt's figures; what is not known now keeps its last value."""
    body = _unnoted(Metrics, page).splitlines()
    kept = [line for line in body if EXPOSED.fullmatch(line)]  # others were edited: they spoil the file
    before = [line for line in page.splitlines() if EXPOSED.fullmatch(line) and line not in kept]
    samples: dict[str, Iterable[str]] = {
        "last_attempt_timestamp_seconds": [f" {_seconds(attempt.ended_at)}"],
        "last_attempt_exit_code": [f" {float(attempt.exit_code)}"],
        "last_attempt_duration_seconds": [f" {attempt.seconds}"],
        "last_success_timestamp_seconds": _known(attempt.last_success),
        "last_new_data_timestamp_seconds": _known(attempt.last_new_data),
        "waiting": [f'{{kind="{kind}"}} {float(count)}' for kind, count in attempt.waiting.items()],
    }
    for name, values in samples.items():
        found = [f"eduflow_{name}{value}" for value in values]
        found = found or [line for line in before if re.match(rf"eduflow_{name}\b", line)]
        if found:
            kept += [f"# HELP eduflow_{name} {ATTEMPT_METRICS[name]}", f"# TYPE eduflow_{name} gauge", *found]
    return "\n".join(kept) + "\n"


def _known(when: str | None) -> list[str]:
    return [f" {_seconds(when)}"] if when else []


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()
