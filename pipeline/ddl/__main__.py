"""`make ddl`: write what is made from the declarations.

Derived relations are written anew. Raw is state and only ever migrated: a table or column that no state file makes yet
goes into a new one.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets import DATASETS
from pipeline.ddl import facts, tables, views

PROJECT = Path(__file__).parents[2]


def files() -> dict[str, str]:
    """Path in the project -> content, of everything derived that is made from the declarations."""
    declaring = [dataset for dataset in DATASETS.values() if dataset.fact]
    return {
        **{f"init_db/schema/staging/{d.table}.sql": tables.staged(d) for d in DATASETS.values()},
        **{f"init_db/schema/{name.replace('.', '/')}.sql": views.ddl(name) for name in views.VIEWS},
        **{f"init_db/schema/warehouse/{facts.name_of(d)}.sql": facts.ddl(d) for d in declaring},
        **{f"pipeline/sql/{facts.name_of(d)}.sql": facts.query(d) for d in declaring},
    }


def main() -> None:
    """Write what differs, and say so."""
    for name, content in files().items():
        path = PROJECT / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            print(f"written: {name}")
    if statements := tables.migration():
        number = 1 + max(int(path.name.split("_")[1]) for path in tables.INIT_DB.glob("state_*.sql"))
        path = tables.INIT_DB / f"state_{number:02}_raw.sql"
        path.write_text(
            "-- What the declarations in pipeline/datasets added to raw.\n"
            f"-- State: only ever migrated forward (a later state_NN file), never dropped.\n\n{statements}",
            encoding="utf-8",
        )
        print(f"written: init_db/{path.name}")


if __name__ == "__main__":
    main()
