"""Verbs about a home and its state: init, backup, restore, purge."""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime

from sqlalchemy import Connection, text

import init_db
from init_db import server
from pipeline import home as homes
from pipeline.audit import graph
from pipeline.cli.tables import nearby
from pipeline.config import Settings, settings, use
from pipeline.outputs.artifact import Artifact
from pipeline.step import UserError, transaction
from pipeline.version import __version__
from targets import backup as backups
from targets.artifact import write_files


def init(arguments: argparse.Namespace) -> int:
    lost = homes.Home(arguments.folder.expanduser().resolve())
    if arguments.adopt and (database := lost.lost_database()):
        lost.adopt(database.name)
        print(f"{lost.folder} is again the home of the database in {database}.")
        arguments.adopt = False
    home, made = homes.make(arguments.folder)
    if arguments.adopt:
        _adopt(home)
    elif made:
        print(f"{home.folder} is the home of {home.name}. Made: {', '.join(made)}")
        print(f"Next: put the school's files into {home.folder / 'data'}, then: eduflow -C '{home.folder}' run")
    else:
        print(f"{home.folder} is a home already ({home.name}); nothing was changed.")
    return 0


def _adopt(home: homes.Home) -> None:
    """Take over the database of a home that is gone."""
    os.environ["EDUFLOW_HOME"] = str(home.folder)
    use(home)
    with settings().database.transaction() as db:
        owner = homes.owner(db)
    if owner is None:
        raise UserError(f"The database ({settings().database}) belongs to no home yet: eduflow run claims it.")
    home.adopt(owner.home_id)
    print(f"{home.folder} is now the home of the database of {owner.name!r}.")


def backup(arguments: argparse.Namespace, options: Settings) -> int:
    started = time.perf_counter()
    with transaction(options) as db:
        counts = _counts(db)
    about = {
        "version": __version__,
        "home": options.home.name,
        "home_id": options.home.id,
        "state": init_db.last_state(),
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        **counts,
    }
    size = backups.write(options.database, arguments.file, about)
    print(
        f"{nearby(arguments.file)}: {counts['drops']:,} drops, {counts['rows']:,} rows of raw, {size / 1e6:,.1f} MB, "
        f"in {time.perf_counter() - started:.1f} s. It holds personal data: keep it where only you can read it."
    )
    return 0


def restore(arguments: argparse.Namespace, options: Settings) -> int:
    started = time.perf_counter()
    about = backups.read_head(arguments.file)
    init_db.refuse_newer(about.get("state", ""), str(arguments.file))
    if not backups.is_empty(options.database):
        raise UserError(
            f"The database ({options.database}) is not empty; a backup is restored into an empty one. "
            "Remove what is there with eduflow purge, or set EDUFLOW_DATABASE to an empty database."
        )
    # What a target was made of is known, but its table is not in the backup: the next run builds it in full.
    after = f"""
        update etl.home set home_id = '{options.home.id}';
        update etl.targets set fingerprint = null, why = 'restored from a backup' where target not like 'raw.%';
    """
    backups.load(options.database, arguments.file, after)
    with transaction(options) as db:
        counts = _counts(db)
    if counts["drops"] != about["drops"] or counts["rows"] != about["rows"]:
        raise UserError(f"{arguments.file} says {about['drops']} drops and {about['rows']} rows; found {counts}.")
    print(
        f"Restored {counts['drops']:,} drops and {counts['rows']:,} rows of raw of {about['home']!r} as of "
        f"{about['made_at']}, in {time.perf_counter() - started:.1f} s. Now build the tables: eduflow run"
    )
    return 0


def _counts(db: Connection) -> dict[str, int]:
    row = db.execute(text("select count(*) as drops, coalesce(sum(rows), 0) as rows from etl.drops")).one()
    return {"drops": int(row.drops), "rows": int(row.rows)}


def purge(arguments: argparse.Namespace, options: Settings) -> int:
    """Remove the database and what EduFlow wrote into the output folder; data and settings stay."""
    name = options.home.name
    if not arguments.yes:
        print(
            f"This removes the database of {name!r} ({options.database}): every record, every decision, and the files "
            f"that EduFlow wrote into {options.output_dir}. The files in {options.data_dir} stay."
        )
        print(f"To go on, type the name of the home ({name}): ", end="", flush=True)
        if sys.stdin.readline().rstrip("\n") != name:
            raise UserError("That is not its name; nothing was removed.")
    with transaction(options) as db:
        query = text("select target, content from etl.targets where content is not null")
        written = [(row.target, row.content) for row in db.execute(query)]
    patterns = {step.target: step.pattern for step in graph() if isinstance(step, Artifact)}
    for target, content in written:
        if target in patterns:
            write_files(options.output_dir, patterns[target], {}, recorded=content)
    if options.database_url:
        with options.database.transaction() as db:
            for schema in init_db.remove_all(db):
                print(f"The schema {schema} stays: others keep something in it.")
    else:
        server.remove(options.database_dir)
    options.home.forget_databases()
    print(f"Removed: the database of {name!r}, and {len(written)} outputs. A new start: eduflow run")
    return 0
