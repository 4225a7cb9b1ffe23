"""What any source gives: batches. A file is one kind; the records of a topic or the rows of a table are others.

A `Batch` is one arrival for a dataset, which the ledger knows as a drop. Read, it gives tables of text columns, each
row with its position; nothing is interpreted: an empty field stays '', `NULL`, `007` and blanks stay as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Protocol

import pyarrow as pa

from pipeline.datasets.declaration import Dataset
from pipeline.sources.columns import Columns
from pipeline.sources.errors import Origin


class Batch(Protocol):
    """One arrival for a dataset, whatever its source. Two batches of equal identity and digest are the same arrival.

    identity  what its source calls it, the path of a file. It is its position too: batches get their ids in this order
    date      the day that the source gives it
    digest    of its content; of one that grew the chain: of each piece, behind the digest before it
    """

    @property
    def identity(self) -> str: ...

    @property
    def date(self) -> date | None: ...

    @property
    def digest(self) -> str: ...

    def read(self, dataset: Dataset, *, encoding: str = "") -> Reading:
        """Open it; SourceError when it is not what it is called, or lacks a column.

        encoding: what text that is not UTF-8 is read as, instead of the dataset's own
        """
        ...


class Reading(ABC):
    """An opened batch; iterate `tables()` once. What `columns` knows and `digest` are complete when it is exhausted.

    columns    which declared column each name in the batch means
    rows       records delivered so far
    encoding   of its text
    delimiter  between fields; "" where records have none (JSON, Excel)
    most       bytes that all its tables may take together
    """

    def __init__(self, origin: Origin, columns: Columns, most: int) -> None:
        self.origin, self.columns, self.most = origin, columns, most
        self.delimiter, self.encoding, self.rows = "", "utf-8", 0

    @property
    @abstractmethod
    def digest(self) -> str:
        """Of the content read, as `Batch.digest`."""

    def tables(self) -> Iterator[pa.Table]:
        """Tables of `_line` int64 and, all of them text, the declared columns, `_extra` and `_record`.

        `_line` rises: it is the line of a text file, the row of a sheet, the place in an array. `_extra` is a JSON
        object of the filled cells outside the declaration; its keys are places in the header, from 1, so that a name
        is kept once per batch and not in each row. `_record` is a record of wrong shape, whole.
        """
        size = 0
        for table in self._tables():
            size += table.nbytes
            if size > self.most:
                megabytes = self.most // 1_000_000
                what = f"its rows take more than {megabytes} MB, far more than the file; send it as plain .csv"
                raise self.origin.error("too_large_rows", what)
            self.rows += len(table)
            yield table
        self.close()

    @abstractmethod
    def _tables(self) -> Iterator[pa.Table]:
        """The tables, a few megabytes each."""

    @abstractmethod
    def close(self) -> None:
        """Release what is open; harmless when it is closed."""

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def text_table(dataset: Dataset, lines: Any, columns: Sequence[Any], extra: Any, record: Any) -> pa.Table:
    """A table of `Reading.tables`; of texts, None where all are NULL."""
    size = len(lines)
    texts = [
        pa.nulls(size, pa.string())
        if values is None
        else values
        if isinstance(values, pa.Array | pa.ChunkedArray)
        else pa.array(values, pa.string())
        for values in (*columns, extra, record)
    ]
    names = ["_line", *dataset.column_names, "_extra", "_record"]
    return pa.Table.from_arrays([pa.array(lines, pa.int64()), *texts], names)
