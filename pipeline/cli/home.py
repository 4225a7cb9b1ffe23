"""Verbs about a home and its state: init, backup, restore, purge."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, text

import init_db
from init_db import server
from pipeline import home as homes
from pipeline.audit import graph
from pipeline.cli.tables import nearby
from pipeline.config import Settings, settings, use
from pipeline.outputs.artifact import Artifact
from pipeline.run import transaction
from pipeline.version import __version__
from targets import backup as backups
from targets.artifact import write_files
from targets.errors import UserError

README = """\
This folder is the EduFlow home of {name}: put the school's files into data/, then run: eduflow run
What comes of them is in output/ (open output/report.html); what waits for you: eduflow status
Settings: sources.toml (the school), luigi.cfg (limits and options), .env (secrets; see the documentation).
"""
SOURCES = """\
# What EduFlow can't know by itself about this school. It is read at each run; a line that begins with # says nothing.

[school]
# The name, as `eduflow purge` asks for it and `eduflow status` shows it; without it, the folder's name.
# name = "Hill School"
"""


def init(arguments: argparse.Namespace) -> int:
    lost = homes.Home(arguments.folder.expanduser().resolve())
    if arguments.adopt and (database := lost.lost_database()):
        lost.adopt(database.name)
        print(f"{lost.folder} is again the home of the database in {database}.")
        arguments.adopt = False
    home, made = make(arguments.folder)
    if arguments.adopt:
        _adopt(home)
    elif made:
        print(f"{home.folder} is the home of {home.name}. Made: {', '.join(made)}")
        print(f"Next: put the school's files into {home.folder / 'data'}, then: eduflow -C '{home.folder}' run")
    else:
        print(f"{home.folder} is a home already ({home.name}); nothing was changed.")
    return 0


def make(folder: Path) -> tuple[homes.Home, list[str]]:
    """Make a home of a folder: what is there stays as it is. Returns it, and the names of what was made."""
    folder = folder.expanduser().resolve()
    if not str(folder).isprintable():
        raise homes.ConfigError(f"{str(folder)!r} can't be a home: its name holds characters that are no text")
    for parent in folder.parents:
        if homes.is_home(parent) and folder.relative_to(parent).parts[0] in ("data", "output"):
            raise homes.ConfigError(
                f"{folder} is in the {folder.relative_to(parent).parts[0]} folder of another home, {parent}, which "
                "would take its files for its own. Choose a folder beside it"
            )
    home = homes.Home(folder)
    home.refuse_lost_database()
    files = {
        homes.SETTINGS: SOURCES,
        "luigi.cfg": commented((homes.packaged()).read_text(encoding="utf-8")),
        "README.md": README.format(name=folder.name),
    }
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("data", "output"):
            if not (folder / name).is_dir():
                (folder / name).mkdir(mode=0o750)
                made.append(f"{name}/")
        for name, content in files.items():
            if not (folder / name).exists():
                (folder / name).write_text(content, encoding="utf-8", errors="surrogateescape")
                made.append(name)
        _ = home.id
    except OSError as error:
        raise homes.ConfigError(f"{error.filename or folder} can't be made: {error.strerror}") from None
    return home, made


def commented(settings: str) -> str:
    """luigi.cfg for a new home: the keys of [eduflow] as comments, so that defaults of a later version are taken."""
    head, section, keys = settings.partition("[eduflow]\n")
    return head + section + re.sub(r"(?m)^([a-z_]+ =)", r"# \1", keys)


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
