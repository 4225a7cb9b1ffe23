"""The operator's verbs: python -m pipeline run | plan | account | trace | sql | show | check | ..."""

from __future__ import annotations

import argparse
import csv
import io
import logging
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pipeline.config import PROJECT, ConfigError, Settings, settings
from pipeline.step import UserError, begin_run, ledger, log, look, note_run, run_id
from targets.database import DatabaseError, complaint, is_retryable, raw_cursor

GOALS = ("EduFlow", "Warehouse", "Clean", "Ingest")
LEFT_TO_OTHERS = (10, 25)  # Luigi's exit codes: run by another worker, not run


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.do(arguments, settings()) or 0)
    except (ConfigError, DatabaseError, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    except (DBAPIError, psycopg2.Error) as error:
        if not is_retryable(error):
            raise
        print(f"{complaint(error)}. What was committed is kept: run again.", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def verbs() -> list[str]:
    actions = next(action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    return list(actions.choices)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description="EduFlow: messy school files in, star schema out."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verb = verbs.add_parser("run", help="build what is not up to date")
    verb.add_argument("goal", nargs="?", default="EduFlow", help=f"{', '.join(GOALS)} or any task (default EduFlow)")
    verb.add_argument("--workers", type=int, help="Luigi worker processes")
    verb.add_argument("--scheduler", metavar="URL", help="a luigid, like http://127.0.0.1:8082 (default: in-process)")
    verb.set_defaults(do=run)
    verbs.add_parser("plan", help="what would run, and why; runs nothing").set_defaults(do=plan)
    verb = verbs.add_parser("account", help="the balance of every drop; of one drop with its rules and rejects")
    verb.add_argument("drop", nargs="?", type=int)
    verb.set_defaults(do=account)
    verb = verbs.add_parser(
        "trace", help="one record's way: file, line, rules, staging, dimension, facts (shows its values)"
    )
    verb.add_argument("kind", choices=("student", "event", "ticket", "course", "city"))
    verb.add_argument("key")
    verb.set_defaults(do=trace)
    verb = verbs.add_parser(
        "explain", help="a student's risk: every factor, and the smallest change that would lower it"
    )
    verb.add_argument("student")
    verb.set_defaults(do=explain)
    verb = verbs.add_parser("sql", help="run a query (read only) and print a table")
    verb.add_argument("query")
    verb.add_argument("--csv", action="store_true", help="CSV with a header, for pipes")
    verb.set_defaults(do=sql)
    verb = verbs.add_parser("show", help="print a mart, like class_daily_performance, by its key")
    verb.add_argument("mart")
    verb.add_argument("--limit", type=int, help="only the first so many rows")
    verb.add_argument("--csv", action="store_true", help="CSV with a header, for pipes")
    verb.set_defaults(do=show)
    verb = verbs.add_parser("dictionary", help="write docs/: what every file, table and column holds and is made from")
    verb.add_argument("--to", metavar="FOLDER", type=Path, default=PROJECT / "docs", help="another folder than docs/")
    verb.set_defaults(do=dictionary)
    verbs.add_parser("verify", help="recount the data against the ledger; forget what is damaged").set_defaults(
        do=verify
    )
    verb = verbs.add_parser("forget", help="build a target, and what is made from it, again next time")
    verb.add_argument("target")
    verb.set_defaults(do=forget)
    verbs.add_parser("check", help="what the checks of each layer found last").set_defaults(do=check)
    verb = verbs.add_parser("approve", help="accept a held drop, or one that was refused or retracted")
    verb.add_argument("drop", type=int)
    verb.set_defaults(do=approve)
    verb = verbs.add_parser("retract", help="take an accepted drop back, as if it had never come")
    verb.add_argument("drop", type=int)
    verb.set_defaults(do=retract)
    verb = verbs.add_parser("refuse", help="settle a refused or held drop, or one rejected row of a drop")
    verb.add_argument("drop", type=int)
    verb.add_argument("--line", type=int, help="the line of a rejected row")
    verb.set_defaults(do=refuse)
    return parser


# --- run ------------------------------------------------------------------------------------------------------------


def run(arguments: argparse.Namespace, options: Settings) -> int:
    """Luigi in-process: its exit codes, our lines instead of its log.

    luigid gives a task to one of the runs that want it, and Luigi leaves when nothing is left for it: a run asks again
    until the others are done, or until five looks in a row found nobody at work (a scheduler that is paused).
    """
    started = time.perf_counter()
    _show_progress()
    begin_run()
    if _lacks_data_folder(options):
        return 20
    with ledger(options) as db:
        look(db, options)
    _set_scheduler(arguments.scheduler)
    command = ["--module", "pipeline", arguments.goal, "--workers", str(arguments.workers or options.workers)]
    code = _luigi(command)
    quiet = 0
    while arguments.scheduler and code in LEFT_TO_OTHERS and quiet < 5:
        quiet = 0 if _others_run(arguments.scheduler) else quiet + 1
        time.sleep(0.2)
        code = _luigi(command)
    _finish(options, code, time.perf_counter() - started)
    return code


def _luigi(command: list[str]) -> int:
    from luigi.retcodes import run_with_retcodes

    try:
        run_with_retcodes(command)
    except SystemExit as leave:
        return int(leave.code or 0)
    return 0


def _others_run(scheduler: str) -> bool:
    from luigi.rpc import RemoteScheduler, RPCError

    try:
        remote: Any = RemoteScheduler(scheduler)  # its methods are made at run time
        return bool(remote.task_list("RUNNING", ""))
    except RPCError:  # it is gone: the next attempt says so
        return False


def _lacks_data_folder(options: Settings) -> bool:
    if options.data_dir.is_dir():
        return False
    print(f"There is no data folder {options.data_dir}. Create it, or set EDUFLOW_DATA_DIR.", file=sys.stderr)
    return True


def _set_scheduler(url: str | None) -> None:
    from luigi.configuration import get_config
    from luigi.interface import core

    if url and not url.startswith(("http://", "https://")):
        raise UserError("--scheduler takes the URL of a luigid, like http://127.0.0.1:8082")
    get_config().set("core", "no_configure_logging", "true")
    get_config().set("core", "local_scheduler", "false" if url else "true")
    if url:
        get_config().set("core", "scheduler_url", url)
        # A luigid that is gone is given up in 10 s, not in 60; what is logged of each try holds the URL.
        for key, value in {"rpc_retry_wait": "5", "rpc_log_retries": "false"}.items():
            get_config().set("core", key, value)
            core.ignore_unconsumed.add(key)  # Luigi reads it elsewhere, and would warn


def _show_progress() -> None:
    """Our own lines to standard output, Luigi's only when something is wrong."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    errors = logging.StreamHandler(sys.stderr)
    errors.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    luigi_log = logging.getLogger("luigi-interface")
    luigi_log.handlers, luigi_log.propagate = [errors], False
    luigi_log.setLevel(logging.WARNING)
    logging.getLogger("luigi").setLevel(logging.ERROR)


def _finish(options: Settings, code: int, seconds: float) -> None:
    from pipeline.drops import datasets_without_a_file
    from pipeline.reports import ACCOUNT, balance, rebuilt, table_rows

    with ledger(options) as db:
        built = rebuilt(db, run_id())
        if code == 0 and built:
            note_run(db, "ok")
        drops = balance(db)
        tables = table_rows(db)
        state = look(db, options)
    if code == 0 and not built:
        print(f"Nothing to do: everything is up to date. {seconds:.1f} s")
        return
    for path, why in state.scan.unmatched:
        print(f"no drop: {path!r}: {why}")
    if missing := [name for name in datasets_without_a_file(state.drops) if not state.scan.of(name)]:
        print(f"no file yet for: {', '.join(missing)}")
    print("\nBalance per drop: read = current + superseded + duplicate + rejected")
    print_table(drops, [name for name in ACCOUNT if name not in ("path", "open_rejects")])
    print("\nRows per layer")
    for layer in dict.fromkeys(name.split(".")[0] for name in tables):
        of_layer = [f"{name.split('.')[1]} {rows:,}" for name, rows in tables.items() if name.startswith(layer + ".")]
        print(f"  {layer:10} {', '.join(of_layer)}")
    ending = "All good" if code == 0 else f"Not all is well (exit code {code})"
    made = {"Summary": "run_summary.md", "Report": "report.html"}
    there = {what: options.output_dir / name for what, name in made.items() if (options.output_dir / name).is_file()}
    where = ". ".join(f"{what}: {_near(file)}" for what, file in there.items())
    print(f"\n{ending}: {len(built)} targets built in {seconds:.1f} s. {where}".rstrip())


def _near(path: Path) -> Path:
    """The path as seen from here, when it is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _exists(db: Any, relation: str) -> bool:
    return db.execute(text("select to_regclass(:name)"), {"name": relation}).scalar() is not None


# --- looking --------------------------------------------------------------------------------------------------------


def plan(_arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline.audit import graph
    from pipeline.drops import shown, unsettled
    from pipeline.ingest import RAW

    if _lacks_data_folder(options):
        return 20
    with ledger(options) as db:
        state = look(db, options)
        arrivals = [arrival for step in RAW for arrival in step().arrivals(state).new]
        steps = [(step.target, step.why(state)) for step in graph()]
        waiting = unsettled(state.drops)
    for arrival in arrivals:
        print(f"would land {shown(arrival.file.path)} ({arrival.file.dataset}, drop date {arrival.drop_date})")
    stale = [{"target": target, "why": why} for target, why in steps if why]
    print_table(stale, ("target", "why")) if stale else print("Nothing to do: everything is up to date.")
    for drop in waiting:
        print(f"waiting: drop {drop.drop_id} {drop.status}: {drop.reason}")
    return 0


EMPTY_CELLS = text("""
    select n.name as "column", n.empty,
        round(n.empty::numeric / nullif((profile -> 'rows')::bigint - (profile -> 'rejected')::bigint, 0), 2) as share
    from etl.drops
    cross join lateral (select key as name, value::bigint as empty from jsonb_each_text(profile -> 'nulls')) as n
    where drop_id = :drop and n.empty > 0 order by n.empty desc, n.name
""")


def account(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline.drops import shown
    from pipeline.reports import ACCOUNT, balance_with_rejects

    with ledger(options) as db:
        if not _exists(db, "staging.open_rejects"):
            raise UserError("Nothing is accounted for yet: python -m pipeline run")
        drops = balance_with_rejects(db)
        if arguments.drop is None:
            print_table(drops, ACCOUNT)
            return 0
        drop = next((drop for drop in drops if drop["drop_id"] == arguments.drop), None)
        if drop is None:
            raise UserError(f"There is no drop {arguments.drop}. python -m pipeline account lists them.")
        values = {"drop": arguments.drop}
        stats = db.execute(
            text("""
                select "column", rule, changed, flagged, rejected from etl.rule_stats
                where drop_id = :drop and changed + flagged + rejected > 0 order by 1, 2
            """),
            values,
        )
        rejects = db.execute(
            text("""
                select r.line, r.outcome, array_to_string(r.reasons, ', ') as reasons, r.key,
                    case when o.line is not null then 'yes' when r.outcome = 'rejected' then 'no' end as open
                from etl.rejects as r left join staging.open_rejects as o using (drop_id, line)
                where r.drop_id = :drop order by r.line
            """),
            values,
        )
        for name, value in drop.items():
            if value is not None:
                print(f"{name:13} {shown(str(value))}")
        print("\nEmpty cells per column, of the accepted rows")
        print_table([dict(row._mapping) for row in db.execute(EMPTY_CELLS, values)], ("column", "empty", "share"))
        print("\nWhat the rules did")
        print_table([dict(row._mapping) for row in stats], ("column", "rule", "changed", "flagged", "rejected"))
        print("\nRejected and duplicate rows (original text: etl.rejects, output/rejects)")
        print_table([dict(row._mapping) for row in rejects], ("line", "outcome", "reasons", "key", "open"))
    return 0


def trace(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline.audit import trace_layers, trace_records

    found = False
    with ledger(options) as db:
        for record in trace_records(db, look(db, options), arguments.kind, arguments.key):
            found = True
            print(f"{record.path} line {record.line} (drop {record.drop_id}, {record.dataset}): {record.outcome}")
            for column, before, after in record.cells:
                if before is not None or after is not None:
                    print(f"    {column:22} {_change(before, after)}")
            if record.notes:
                print(f"    flags                  {record.notes}")
        for table, rows, count in trace_layers(db, arguments.kind, arguments.key):
            found = found or count > 0
            print(f"\n{table}: {count} row{'' if count == 1 else 's'}")
            if count == 1:  # a column a line: a wide row is not read across
                print_table([{"column": name, "value": value} for name, value in rows[0].items()], ("column", "value"))
            else:
                print_table(rows, tuple(rows[0]) if rows else ())
    if not found:
        raise UserError(f"No record of {arguments.kind} {arguments.key!r} in any drop.")
    return 0


def _change(before: str | None, after: str | None) -> str:
    """What a rule did to a value: 'stu-2' -> 'STU002'."""
    if before is None or after is None:
        return repr(after) if before is None else f"{before!r} -> NULL"
    return repr(before) if before == after else f"{before!r} -> {after!r}"


def explain(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import enrich

    key = arguments.student.strip().upper()
    with ledger(options) as db:
        if not _exists(db, "warehouse.ai_student_risk"):
            raise UserError("No risk is known yet: python -m pipeline run")
        found = enrich.explain(db, key)
    if found is None:
        raise UserError(f"No student {key!r} in warehouse.ai_student_risk.")
    day = f", as of {found['as_of']}" if found["as_of"] else ""
    print(f"{found['student_id']}: {found['category']} risk, {found['score']} of 100 points{day}\n")
    columns = ("factor", "value", "threshold", "points")
    factors = [(factor.code, factor.value, factor.threshold, factor.points) for factor in found["factors"]]
    print_table([dict(zip(columns, factor, strict=True)) for factor in factors], columns)
    print()
    if not found["change"]:
        print("The category is the lowest already.")
    else:
        to_do = " and ".join(change.wording for change in found["change"])
        less = sum(change.points for change in found["change"])
        print(f"Smallest change that lowers the category: {to_do} ({found['score']} - {less} points).")
    for advice in found["interventions"]:
        print(f"- {advice}")
    return 0


def sql(arguments: argparse.Namespace, options: Settings) -> int:
    with ledger(options) as db:
        try:
            _print_query(db, arguments.query.strip().rstrip(";"), as_csv=arguments.csv)
        except psycopg2.Error as error:
            message = str(error).strip().splitlines()
            raise UserError(
                "\n".join(line for line in message if not line.startswith("LINE") and "^" not in line)
            ) from None
    return 0


def show(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import analytics

    with ledger(options) as db:
        _print_query(db, analytics.query(db, arguments.mart, arguments.limit), as_csv=arguments.csv)
    return 0


def dictionary(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline.dictionary.pages import pages

    with ledger(options) as db:
        written = pages(db)
    arguments.to.mkdir(parents=True, exist_ok=True)
    for name, page in written.items():
        (arguments.to / name).write_text(page)
        print(f"written: {_near(arguments.to / name)}")
    return 0


def _print_query(db: Any, query: str, *, as_csv: bool) -> None:
    """Run a query that only reads, and print its rows in the server's own text."""
    db.execute(text("set transaction read only"))
    result = io.StringIO()
    with raw_cursor(db) as cursor:
        cursor.copy_expert(f"copy ({query}\n) to stdout (format csv, header)", sys.stdout if as_csv else result)
    if not as_csv:
        header, *rows = csv.reader(io.StringIO(result.getvalue()))
        print_table([dict(zip(range(len(header)), row, strict=True)) for row in rows], range(len(header)), header)


# --- acting ---------------------------------------------------------------------------------------------------------


def verify(_arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with ledger(options) as db:
        damage = audit.verify(db, look(db, options))
    for found in damage:
        print(f"damaged: {found.what}")
    print("Forgotten; the next run repairs it." if damage else "Data and ledger agree.")
    return 1 if damage else 0


def forget(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with ledger(options) as db:
        for target in audit.forget_target(db, arguments.target):
            print(f"forgotten: {target}")
    return 0


def check(arguments: argparse.Namespace, options: Settings) -> int:
    """Exit code 1 while an error stands."""
    query = """
        select layer, severity, name, what, offending, sample from etl.checks
        order by array_position(array['staging', 'warehouse', 'analytics'], layer), name
    """
    with ledger(options) as db:
        results = [dict(row._mapping) for row in db.execute(text(query))]
    print_table(results, ("layer", "severity", "name", "offending", "what"))
    offending = [result for result in results if result["offending"]]
    for result in offending:
        print(f"\n{result['name']} ({result['severity']}), the first of {result['offending']:,}:")
        print_table(result["sample"], tuple(result["sample"][0]))
    return 1 if any(result["severity"] == "error" for result in offending) else 0


def approve(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with ledger(options) as db:
        print(audit.approve_drop(db, arguments.drop))
    return 0


def retract(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with ledger(options) as db:
        print(audit.retract_drop(db, arguments.drop))
    return 0


def refuse(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with ledger(options) as db:
        if arguments.line is None:
            print(audit.refuse_drop(db, arguments.drop))
        else:
            print(audit.refuse_row(db, arguments.drop, arguments.line))
    return 0


# --- printing -------------------------------------------------------------------------------------------------------


def print_table(rows: Iterable[dict[Any, Any]], columns: Iterable[Any], names: Sequence[str] | None = None) -> None:
    """Rows as aligned text: numbers to the right, at most 60 characters a cell, nothing for null."""
    from pipeline.drops import shown

    rows, columns = list(rows), list(columns)
    if not rows:
        print("  (none)")
        return
    header = list(names or map(str, columns))
    cells = [["" if row[column] is None else shown(str(row[column])) for column in columns] for row in rows]
    cells = [[cell if len(cell) <= 60 else cell[:59] + "…" for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    right = [all(_is_number(row[place]) for row in cells) for place in range(len(columns))]
    for row in [header, ["-" * width for width in widths], *cells]:
        aligned = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        print("  " + "  ".join(aligned).rstrip())


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(".", "", 1).isdigit()


if __name__ == "__main__":
    sys.exit(main())
