"""Verbs that show: plan, account, trace, explain, check, dictionary."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

import init_db
from pipeline.cli.run import lacks_data_folder
from pipeline.cli.tables import nearby, print_json, print_table
from pipeline.config import Settings
from pipeline.datasets import DATASETS
from pipeline.run import State, read_state, rolled_back, transaction
from targets.errors import UserError
from targets.parts import some

if TYPE_CHECKING:
    from pipeline.audit import Traced


def _exists(db: Any, relation: str) -> bool:
    return db.execute(text("select to_regclass(:name)"), {"name": relation}).scalar() is not None


def plan(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline.audit import graph
    from pipeline.drops import waiting
    from pipeline.ingest import RAW
    from pipeline.sources.folder import printable

    if lacks_data_folder(options):
        return 20
    with rolled_back(options) as db:
        changes = init_db.survey(db)
        state = read_state(db, options)
        arrivals = [arrival for step in RAW.values() for arrival in step().arrivals(state).new]
        steps = [(step.target, step.reasons(state)) for step in graph()]
        waits = waiting(state.drops, state.scan)
    if arguments.json:
        print_json(
            {
                "would_land": [
                    {"path": each.file.path, "dataset": each.file.dataset, "drop_date": each.drop_date}
                    for each in arrivals
                ],
                "database": [{"name": each.name, "why": each.why, "stopped": each.stopped} for each in changes],
                "stale": [{"target": target, "why": why} for target, why in steps if why],
                "waiting_for": list(map(str, waits)),
            }
        )
        return 0
    for arrival in arrivals:
        print(f"would land {printable(arrival.file.path)} ({arrival.file.dataset}, drop date {arrival.drop_date})")
    for line in _changes(changes):
        print(line)
    stale = [{"target": target, "why": why} for target, why in steps if why]
    print_table(stale, ("target", "why")) if stale else print("Nothing to do: everything is up to date.")
    for each in waits:
        print(f"waiting: {each}")
    return 0


def _changes(changes: list[init_db.Change]) -> Iterator[str]:
    """What would become of relations in the database, one line per reason, and what stops one."""
    verbs = {init_db.NEW: "make", init_db.MISSING: "make", init_db.COMMENTED: "comment on", init_db.GONE: "drop"}
    for why in dict.fromkeys(change.why for change in changes if not change.stopped):
        names = [change.name for change in changes if change.why == why and not change.stopped]
        named = some(names) if why == init_db.NEW else ", ".join(names)
        yield f"would {verbs.get(why, 'drop and make anew')} {named} ({why})"
    yield from (f"stopped: {change.stopped}" for change in changes if change.stopped)


EMPTY_CELLS = text("""
    select n.name as "column", n.empty,
        round(n.empty::numeric / nullif((profile -> 'rows')::bigint - (profile -> 'rejected')::bigint, 0), 2) as share
    from etl.drops
    cross join lateral (select key as name, value::bigint as empty from jsonb_each_text(profile -> 'nulls')) as n
    where drop_id = :drop and n.empty > 0 order by n.empty desc, n.name
""")

RULE_STATS = text("""
    select "column", rule, changed, flagged, rejected from etl.rule_stats
    where drop_id = :drop and changed + flagged + rejected > 0 order by 1, 2
""")

LOST_ROWS = text("""
    select r.line, r.outcome, array_to_string(r.reasons, ', ') as reasons, r.key,
        case when o.line is not null then 'yes' when r.outcome = 'rejected' then 'no' end as open
    from etl.rejects as r left join staging.open_rejects as o using (drop_id, line)
    where r.drop_id = :drop order by r.line
""")

SHAPE = text("select coalesce(format, '{}') from etl.drops where drop_id = :drop")


def account(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline.outputs.summary import ACCOUNT, balance_with_rejects
    from pipeline.sources.folder import printable

    with transaction(options) as db:
        if not _exists(db, "staging.open_rejects"):
            raise UserError("Nothing is accounted for yet: eduflow run")
        drops = balance_with_rejects(db)
        if arguments.drop is None:
            print_json(drops) if arguments.json else print_table(drops, ACCOUNT)
            return 0
        drop = next((drop for drop in drops if drop["drop_id"] == arguments.drop), None)
        if drop is None:
            raise UserError(f"There is no drop {arguments.drop}. eduflow account lists them.")
        values = {"drop": arguments.drop}
        queries = (EMPTY_CELLS, RULE_STATS, LOST_ROWS)
        empty, rules, rows = ([dict(row._mapping) for row in db.execute(query, values)] for query in queries)
        shape = db.execute(SHAPE, values).scalar_one()
        never, absent = shape.get("never_stored", []), DATASETS[drop["dataset"]].absent(shape.get("fields", ()))
        if arguments.json:
            columns = {"never_stored": never, "absent_columns": absent, "empty_cells": empty}
            document = {**drop, **columns, "rules": rules, "lost_rows": rows}
            print_json({**document, **_to_decide_by_document(db, read_state(db, options), arguments.drop)})
            return 0
        for name, value in drop.items():
            if value is not None:
                print(f"{name:13} {printable(str(value))}")
        for name in never:
            print(f"column {printable(name)!r} is never stored")
        for name in absent:
            print(f"column {name!r} is not in the file, and may be missing: it is empty in every row")
        if drop["status"] in ("held", "refused"):
            _to_decide_by(db, read_state(db, options), arguments.drop)
            if drop["status"] == "held":
                return 0
        print("\nEmpty cells per column, of the accepted rows")
        print_table(empty, ("column", "empty", "share"))
        print("\nWhat the rules did")
        print_table(rules, ("column", "rule", "changed", "flagged", "rejected"))
        print("\nRejected and duplicate rows (original text: etl.rejects; of the open ones output/rejects)")
        print_table(rows, ("line", "outcome", "reasons", "key", "open"))
    return 0


SHOWN_IDS = 50  # of a class


def _to_decide_by(db: Any, state: State, drop_id: int) -> None:
    """What is known of a held or refused drop: limits passed, who is missing or new, what approving would change."""
    from pipeline import held
    from pipeline.drops import read_drop

    drop = read_drop(db, drop_id)
    if drop.status == "held":
        print("\nWhy it is held")
        for found in held.findings(db, drop_id):
            limit = f"{found['setting'] or 'limit'} {found['limit']}, here {found['value']}"
            print(f"  {found['what']}" + (f"\n    {limit}" if found["limit"] else ""))
        seen = held.outlook(db, state, drop)
        print("\nWhat would change if it were approved")
        print_table(seen.effects(), ("what", "count"))
        if seen.before and (classes := seen.by_class()):
            print("\nMissing and new, by class")
            print_table(classes, ("class", "before", "here", "missing", "new"))
        for what, keys in (("Missing", seen.missing), ("New", seen.new)):
            _print_keys(what, keys)
        if seen.reasons:
            print("\nRows that would be rejected, by reason")
            reasons = [{"reason": t.what, "rows": t.rows, "lines": ", ".join(map(str, t.lines))} for t in seen.reasons]
            print_table(reasons, ("reason", "rows", "lines"))
    print(f"\nDecided before, of {drop.dataset}")
    columns = ("drop_id", "path", "drop_date", "decision", "decided_on", "status")
    print_table(held.decided(db, drop.dataset), columns)
    if drop.unsettled:
        verbs = "approve or refuse" if drop.status == "held" else "refuse"
        print(f"\nTo settle it: eduflow {verbs} {drop_id}, or a corrected file at the same path")


def _to_decide_by_document(db: Any, state: State, drop_id: int) -> dict[str, Any]:
    """The same as JSON has it, every id included; of a drop that is not held, what was decided of its dataset."""
    from pipeline import held
    from pipeline.drops import read_drop

    drop = read_drop(db, drop_id)
    document: dict[str, Any] = {"decided_before": held.decided(db, drop.dataset), "held": None}
    if drop.status == "held":
        seen = held.outlook(db, state, drop)
        document["held"] = {
            "findings": held.findings(db, drop_id),
            "effects": seen.effects(),
            "by_class": seen.by_class(),
            "missing": seen.missing,
            "new": seen.new,
            "reasons": [{"reason": tally.what, "rows": tally.rows, "lines": tally.lines} for tally in seen.reasons],
        }
    return document


def _print_keys(what: str, keys: dict[str, str]) -> None:
    """Ids by class: an operator's to see."""
    from pipeline.sources.folder import printable

    by_class: dict[str, list[str]] = {}
    for key, name in keys.items():
        by_class.setdefault(name, []).append(printable(key))
    if by_class:
        print()
    for name, found in sorted(by_class.items()):
        more = f" and {len(found) - SHOWN_IDS:,} more" if len(found) > SHOWN_IDS else ""
        print(f"{what}{f' in {name}' if name else ''}: {', '.join(found[:SHOWN_IDS])}{more}")


def trace(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    key = audit.key_of(arguments.kind, arguments.key)
    with transaction(options) as db:
        records = list(audit.trace_records(db, read_state(db, options), arguments.kind, key))
        layers = list(audit.trace_layers(db, arguments.kind, key))
        if not records and not any(count for _, _, count in layers):
            raise UserError(audit.unknown(db, arguments.kind, key))
    if arguments.json:
        print_json(_traced_document(arguments.kind, key, records, layers))
        return 0
    for record in records:
        _print_record(record)
    for table, rows, count in layers:
        print(f"\n{table}: {count} row{'' if count == 1 else 's'}")
        if count == 1:  # a column a line: a wide row is not read across
            print_table([{"column": name, "value": value} for name, value in rows[0].items()], ("column", "value"))
        else:
            print_table(rows, tuple(rows[0]) if rows else ())
    return 0


def _traced_document(
    kind: str, key: str, records: list[Traced], layers: list[tuple[str, list[dict[str, Any]], int]]
) -> dict[str, Any]:
    return {
        "kind": kind,
        "key": key,
        "records": [
            {
                **{name: getattr(record, name) for name in ("path", "line", "drop_id", "dataset", "outcome")},
                "cells": [dict(zip(("column", "before", "after"), cell, strict=True)) for cell in record.cells],
                "flags": [flag for flag in record.notes.split(",") if flag],
            }
            for record in records
        ],
        "tables": [{"table": table, "count": count, "rows": rows} for table, rows, count in layers],
    }


def _print_record(record: Traced) -> None:
    from pipeline.sources.folder import printable

    print(f"{record.path} line {record.line} (drop {record.drop_id}, {record.dataset}): {record.outcome}")
    for column, before, after in record.cells:
        if before is not None or after is not None:
            print(f"    {column:22} {_change(before, after)}")
    if record.notes:
        print(f"    flags                  {printable(record.notes)}")


def _change(before: str | None, after: str | None) -> str:
    """What a rule did to a value: 'stu-2' -> 'STU002'."""
    if before is None or after is None:
        return repr(after) if before is None else f"{before!r} -> NULL"
    return repr(before) if before == after else f"{before!r} -> {after!r}"


def explain(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit, enrich

    key = audit.key_of("student", arguments.student)
    with transaction(options) as db:
        if not _exists(db, "warehouse.ai_student_risk"):
            raise UserError("No risk is known yet: eduflow run")
        found = enrich.explain(db, key)
    if found is None:
        raise UserError(f"No student {key!r} in warehouse.ai_student_risk.")
    columns = ("factor", "value", "threshold", "points")
    factors = [
        dict(zip(columns, (factor.code, factor.value, factor.threshold, factor.points), strict=True))
        for factor in found["factors"]
    ]
    if arguments.json:
        print_json(
            {
                **{name: found[name] for name in ("student_id", "as_of", "category", "score")},
                "factors": factors,
                "change": [{"wording": change.wording, "points": change.points} for change in found["change"]],
                "interventions": list(found["interventions"]),
            }
        )
    else:
        _print_risk(found, factors, columns)
    return 0


def _print_risk(found: dict[str, Any], factors: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from pipeline.sources.folder import printable

    day = f", as of {found['as_of']}" if found["as_of"] else ""
    print(f"{found['student_id']}: {found['category']} risk, {found['score']} of 100 points{day}\n")
    print_table(factors, columns)
    print()
    if not found["change"]:
        print("The category is the lowest already.")
    else:
        to_do = " and ".join(change.wording for change in found["change"])
        less = sum(change.points for change in found["change"])
        print(f"Smallest change that lowers the category: {to_do} ({found['score']} - {less} points).")
    for advice in found["interventions"]:
        print(f"- {printable(advice)}")


def dictionary(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline.outputs.dictionary.pages import PAGE, written

    with transaction(options) as db:
        page = written(db)
    folder = arguments.to or options.home.folder / "docs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PAGE).write_text(page, encoding="utf-8")
        print(f"written: {nearby(folder / PAGE)}")
    except OSError as error:
        raise UserError(f"{error.filename or folder} can't be written: {error.strerror}") from None
    return 0


def check(arguments: argparse.Namespace, options: Settings) -> int:
    """Exit code 1 while an error stands."""
    query = """
        select layer, severity, name, what, offending, sample from etl.checks
        order by array_position(array['staging', 'warehouse', 'analytics'], layer), name
    """
    with transaction(options) as db:
        results = [dict(row._mapping) for row in db.execute(text(query))]
    offending = [result for result in results if result["offending"]]
    code = 1 if any(result["severity"] == "error" for result in offending) else 0
    if arguments.json:
        print_json(results)
        return code
    print_table(results, ("layer", "severity", "name", "offending", "what"))
    for result in offending:
        print(f"\n{result['name']} ({result['severity']}), the first of {result['offending']:,}:")
        print_table(result["sample"], tuple(result["sample"][0]))
    return code
