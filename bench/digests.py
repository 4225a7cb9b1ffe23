"""The digest of every derived table of a school: before and after a change that must change no row.

    python -m bench.digests data                     # the sample: another folder's files likewise
    python -m bench.digests --events 1000000         # generated: courses, and beside them a school's roster and records
    python -m bench.digests data >before.txt         # change the code, do it again, and: diff before.txt after.txt

Each line: table, rows, and a digest of the rows without the columns that say how they were loaded (`_drop_id`, ...).
"""

from __future__ import annotations

import argparse
import shutil
import sys

from sqlalchemy import Connection, text

from bench.run import House, held
from init_db.service import ServerError
from targets.postgres.connection import Database

TABLES = """
    select
        format('%I.%I', table_schema, table_name) as name,
        string_agg(quote_ident(column_name), ', ' order by ordinal_position) as columns
    from information_schema.columns inner join information_schema.tables using (table_schema, table_name)
    where table_schema in ('staging', 'warehouse', 'analytics') and table_type = 'BASE TABLE'
        and column_name not like '\\_%'
    group by table_schema, table_name
    order by table_schema, table_name
"""
# Rows in any order: the sorted digests of the rows, a part of them at a time where there are too many for one text.
DIGEST = """
    select coalesce(sum(rows), 0) as rows, md5(coalesce(string_agg(digest, '' order by part), '')) as digest from (
        select
            left(row_digest, 2) as part, count(*) as rows, md5(string_agg(row_digest, '' order by row_digest)) as digest
        from (select md5(r::text) as row_digest from (select {columns} from {name}) as r) as digested
        group by 1
    ) as parts
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="a folder of files; without one, files are generated")
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    house = House("digests", options.students, 10) if options.folder else generated(options)
    if options.folder:
        shutil.rmtree(house.folder / "data")
        shutil.copytree(options.folder, house.folder / "data")
    with held(house):
        house.command("--new")
        with Database("", house.cluster).transaction() as db:
            for name, rows, digest in digests(db):
                print(f"{name:42} {rows:>10} {digest}")


def generated(options: argparse.Namespace) -> House:
    return House("digests", options.students, options.events, options.events // 5, options.events // 10)


def digests(db: Connection) -> list[tuple[str, int, str]]:
    """(table, rows, digest) of every derived table."""
    tables = db.execute(text(TABLES)).all()
    found = [
        (table.name, db.execute(text(DIGEST.format(name=table.name, columns=table.columns))).one()) for table in tables
    ]
    return [(name, int(row.rows), row.digest) for name, row in found]


if __name__ == "__main__":
    try:
        main()
    except ServerError as error:
        sys.exit(str(error))
