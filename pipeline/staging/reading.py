"""Reading raw: the records of drops in chunks, and what the rules may know of each drop besides its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, text

from pipeline.config import Settings
from pipeline.datasets.declaration import Dataset
from pipeline.drops import Drop
from pipeline.rules.cities import Cities
from pipeline.rules.context import Context
from pipeline.sources.formats import kinds
from targets.postgres.copy import MAX_CHUNK, copy_out

if TYPE_CHECKING:
    import pandas as pd


def read_cities(db: Connection) -> Cities:
    """The cities of the newest day on which a city list came."""
    rows = db.execute(
        text("""
            select city_name, state_name, state_code, coalesce(common_misspellings, '{}') as aliases
            from staging.stg_cities as c
            inner join etl.drops as d on c._drop_id = d.drop_id
            where d.drop_date = (
                select max(drop_date) from etl.drops where dataset = 'city_master' and status = 'staged'
            )
            order by city_name
        """)
    )
    return Cities.of(tuple(row) for row in rows)


def contexts(db: Connection, dataset: Dataset, options: Settings, drops: list[Drop]) -> dict[int, Context]:
    """drop_id -> what the rules may know besides the row: the drop's date and shape, the cities, the options."""
    cities = read_cities(db) if "city_master" in dataset.lookups else Cities.of([])
    return {
        drop.drop_id: Context(
            drop_date=drop.drop_date,
            fields=drop.fields,
            delimiter=drop.delimiter,
            cities=cities,
            phone_country_code=options.phone_country_code,
            phone_digits=options.phone_digits,
            attendance_status=options.attendance_status,
        )
        for drop in drops
    }


def read_raw(db: Connection, dataset: Dataset, drop_id: int, chunk_rows: int) -> Iterator[pd.DataFrame]:
    """The records of a drop in chunks: `_line`, the declared columns and `_record`, as text. In no certain order."""
    import pandas as pd

    names = [*dataset.column_names, "_record"]
    types = {"_line": pa.int64(), **dict.fromkeys(names, pa.string())}
    query = f"select {', '.join(types)} from raw.{dataset.name} where _drop_id = %(drop)s"
    for chunk in copy_out(db, query, {"drop": drop_id}, types, chunk_rows):
        yield chunk.to_pandas(types_mapper=pd.ArrowDtype)


def read_drops_raw(
    db: Connection, dataset: Dataset, drops: Sequence[Drop], chunk_rows: int
) -> Iterator[tuple[Drop, pd.DataFrame]]:
    """The same of several drops, each with its drop, small ones many at a time."""
    # raw has no statistics: the planner would read all of it, where the index knows the drop's pages.
    db.execute(text("set local enable_seqscan = off"))
    for together in _together(drops, chunk_rows):
        yield from _read_many(db, dataset, together, chunk_rows)
    # The index does not know pages that came since the last build; now they are in memory.
    db.execute(text(f"select brin_summarize_new_values('raw.{dataset.name}_lines')"))
    db.execute(text("set local enable_seqscan = on"))


def _read_many(
    db: Connection, dataset: Dataset, drops: Sequence[Drop], chunk_rows: int
) -> Iterator[tuple[Drop, pd.DataFrame]]:
    """The records of several drops: small ones, whose records come in one chunk each, or a single one of any size."""
    import pandas as pd

    if len(drops) == 1:
        yield from ((drops[0], frame) for frame in read_raw(db, dataset, drops[0].drop_id, chunk_rows))
        return
    names = [*dataset.column_names, "_record"]
    types = {"_drop_id": pa.int64(), "_line": pa.int64(), **dict.fromkeys(names, pa.string())}
    query = f"select {', '.join(types)} from raw.{dataset.name} where _drop_id = any(%(drops)s)"
    chunks = list(copy_out(db, query, {"drops": [drop.drop_id for drop in drops]}, types, chunk_rows))
    rows = pa.concat_tables([pa.table({name: pa.array([], kind) for name, kind in types.items()}), *chunks])
    rows = rows.sort_by([("_drop_id", "ascending"), ("_line", "ascending")]).combine_chunks()
    counts = pc.value_counts(rows["_drop_id"]).to_pylist()
    sizes = {count["values"]: count["counts"] for count in counts}
    frame, end, places = rows.drop_columns("_drop_id").to_pandas(types_mapper=pd.ArrowDtype), 0, {}
    for drop_id, size in sizes.items():  # in the order of the rows
        places[drop_id] = (end, end + size)
        end += size
    for drop in drops:
        if drop.drop_id in places:
            start, end = places[drop.drop_id]
            yield drop, frame.iloc[start:end].reset_index(drop=True)


def _together(drops: Sequence[Drop], chunk_rows: int) -> Iterator[list[Drop]]:
    """The drops, in their order: those that fit into a chunk together, in one list."""
    together: list[Drop] = []
    rows = size = 0
    for drop in drops:
        fits = fit_into_a_chunk([drop], chunk_rows)
        rows, size = rows + (drop.rows or 0), size + (drop.size or 0)
        if together and not (fits and rows <= chunk_rows and size <= MAX_CHUNK):
            yield together
            together, rows, size = [], drop.rows or 0, drop.size or 0
        together.append(drop)
        if not fits:
            yield together
            together, rows, size = [], 0, 0
    if together:
        yield together


def fit_into_a_chunk(drops: Sequence[Drop], chunk_rows: int) -> bool:
    """Whether the records of these drops are few and, however wide, small."""
    packed = any(kinds.is_packed(drop.path or "") for drop in drops)
    rows, size = sum(drop.rows or 0 for drop in drops), sum(drop.size or 0 for drop in drops)
    return rows <= chunk_rows and size <= MAX_CHUNK and not packed
