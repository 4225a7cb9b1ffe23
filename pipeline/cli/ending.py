"""The ending of a run: what changed, what waits for a person and what to do."""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import text

from pipeline.attempts import Attempt
from pipeline.cli.tables import nearby, print_table
from pipeline.config import Settings
from pipeline.run import read_state, run_id, transaction

MOST = 8  # things named one by one in the ending: with what is around them, it fits forty lines


def print_ending(options: Settings, attempt: Attempt, *, verbose: bool) -> None:
    from pipeline.drops import datasets_without_a_file, waiting
    from pipeline.engine import sent_line

    if attempt.exit_code in (130, 143):
        print(
            f"Interrupted after {attempt.seconds:.1f} s; {attempt.built} targets are built and kept. Run again.",
            file=sys.stderr,
        )
        return
    if attempt.exit_code == 20:
        return
    with transaction(options) as db:
        state = read_state(db, options)
        changed = _changed(db)
        sent = sent_line(db, run_id(), options)
        if verbose and attempt.built:
            _print_everything(db)
    waits = waiting(state.drops, state.scan)
    if attempt.exit_code == 0 and not attempt.built:
        what = (
            f"{attempt.goal} is up to date, but not all that was given is in" if waits else "everything is up to date"
        )
        print(f"Nothing to do: {what}. {attempt.seconds:.1f} s")
    elif changed:
        print("What this run changed")
        print_table(changed, tuple(changed[0]))
    if sent:
        print(sent)
    told = [f"{path!r}: {why}" for path, why in state.scan.unmatched if (path, why) not in state.scan.waiting]
    _print_some("File that is no drop", told)
    if attempt.built and (missing := [n for n in datasets_without_a_file(state.taken) if not state.scan.of(n)]):
        print(f"No file yet for: {', '.join(missing)}")
    _print_some("Waits for you", list(map(str, waits)))
    if any(each.is_drop for each in waits):
        print("Look at a drop: eduflow account DROP. Settle it: eduflow approve DROP or refuse DROP, or send it again.")
    if state.scan.waiting:
        print(
            "A file that no dataset is called like: name it as said, take it away, or name it in the setting `ignore`."
        )
    if attempt.exit_code == 0 and not attempt.built:
        return
    good = f"{attempt.goal} is built, but not all that was given is in" if waits else "All good"
    ending = good if attempt.exit_code == 0 else f"Not all is well (exit code {attempt.exit_code})"
    made = {"Summary": "run_summary.md", "Report": "report.html"}
    there = {what: options.output_dir / name for what, name in made.items() if (options.output_dir / name).is_file()}
    where = ". ".join(f"{what}: {nearby(file)}" for what, file in there.items())
    print(f"\n{ending}: {attempt.built} targets built in {attempt.seconds:.1f} s. {where}".rstrip())


def _print_some(what: str, items: list[str]) -> None:
    for item in items[:MOST]:
        line = " ".join(item.split())
        print(f"{what}: {line if len(line) <= 300 else line[:299] + '…'}")
    if len(items) > MOST:
        print(f"{what}: {len(items) - MOST:,} more (eduflow status)")


def _changed(db: Any) -> list[dict[str, Any]]:
    """Per dataset, what this run landed and what that changed in staging."""
    from pipeline.datasets import DATASETS

    query = text("""
        select
            d.dataset, count(*) as files, coalesce(sum(d.rows), 0) as rows_read,
            coalesce(sum(d.rejected), 0) as rejected
        from etl.drops as d
        where greatest(d.landed_at, d.arrived_at) >= (select started_at from etl.runs where run_id = :run)
        group by d.dataset
    """)
    came = {row.dataset: row for row in db.execute(query, {"run": run_id()})}
    query = text("select target, changed, rows from etl.targets where run_id = :run and target like 'staging.%'")
    staged = {row.target: row for row in db.execute(query, {"run": run_id()})}
    found = []
    for name, dataset in DATASETS.items():
        arrived, table = came.get(name), staged.get(f"staging.{dataset.table}")
        if arrived or (table and table.changed):
            found.append(
                {
                    "dataset": name,
                    "files": arrived.files if arrived else 0,
                    "rows read": f"{arrived.rows_read if arrived else 0:,}",
                    "rejected": f"{arrived.rejected if arrived else 0:,}",
                    "rows changed": f"{table.changed if table else 0:,}",
                    "rows now": f"{table.rows:,}" if table else "as before",
                }
            )
    return found


def _print_everything(db: Any) -> None:
    from pipeline.outputs.summary import ACCOUNT, balance, table_rows

    print("\nBalance per drop: read = current + superseded + duplicate + rejected")
    print_table(balance(db), [name for name in ACCOUNT if name not in ("path", "open_rejects")])
    tables = table_rows(db)
    print("\nRows per layer")
    for layer in dict.fromkeys(name.split(".")[0] for name in tables):
        of_layer = [f"{name.split('.')[1]} {rows:,}" for name, rows in tables.items() if name.startswith(layer + ".")]
        print(f"  {layer:10} {', '.join(of_layer)}")
    print()
