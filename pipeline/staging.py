"""Staging: raw -> clean() -> one current, typed row per natural key, and the account of every row.

Rows are cleaned in chunks into a temporary table; what depends on other rows (which row of a key wins) is SQL. Rows
of one key are ordered by (drop_date, drop_id, _line); the last accepted one wins, whatever order they arrived in.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, ClassVar

import luigi
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, text

from pipeline import ingest
from pipeline.checks import Check
from pipeline.config import PROJECT, Settings
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Dataset
from pipeline.drops import Drop, read_around, read_drops, shown
from pipeline.guard import (
    Finding,
    Profile,
    Tally,
    at_lines,
    compared,
    compared_keys,
    held_reason,
    judged,
    of_others,
    too_early,
)
from pipeline.rules import says_something
from pipeline.rules.cities import Cities
from pipeline.rules.context import Context
from pipeline.rules.frame import clean
from pipeline.step import Build, Built, Goal, Progress, State, Step, log
from targets import parts as digests
from targets.database import MAX_CHUNK, Spool, copy_in, copy_out
from targets.parts import Parts
from targets.table import Difference, apply_difference, columns_of, count_rows, is_empty, without_indexes

if TYPE_CHECKING:
    import pandas as pd

PROVENANCE = ("_drop_id", "_line")


class Staged(Step):
    """The current rows of one dataset. In full: every accepted drop is cleaned again from raw; else only new drops."""

    dataset: ClassVar[Dataset]
    recipe = ("pipeline/staging.py",)
    updates_drops = True

    @property
    def priority(self) -> int:  # type: ignore[override] # Luigi only reads it
        return ingest.by_size(self.dataset)

    def requires(self) -> dict[str, luigi.Task]:
        lookups = {name: STAGED[name]() for name in self.dataset.lookups}
        return {"raw": ingest.RAW[self.dataset.name](), **lookups}

    def own_parts(self, state: State) -> Parts:
        references = {f"reference:{name}": _reference_digest(state, name) for name in self.dataset.lookups}
        return {**super().own_parts(state), **rule_parts(self.dataset), **references}

    def writes(self) -> tuple[str, ...]:
        return (self.target, *([f"staging.{self.dataset.versions}"] if self.dataset.versions else ()))

    def fingerprint_inputs(self) -> list[Step]:
        return [step for step in self.steps() if isinstance(step, ingest.Raw)]

    def build(self, build: Build) -> Built:
        db = build.db
        drops = read_drops(db, self.dataset.name, "landed", *(["staged"] if build.full_refresh else []))
        accepted = drops if build.full_refresh or not drops else read_around(db, self.dataset.name, drops[0].drop_date)
        cleaning = Cleaning(db, self.dataset, drops, accepted, build.number)
        return cleaning.stage(build.state.settings, full=build.full_refresh, recorded=build.rows)


RULES = PROJECT / "pipeline/rules"
RULE_TABLES = ("RULES", "CANONICAL")  # an entry per rule


def rule_parts(dataset: Dataset) -> Parts:
    """The rules of its columns, each with the helpers it uses; what cleans a table of any dataset; the city list's."""
    table, frame, cities = (RULES / f"{name}.py" for name in ("__init__", "frame", "cities"))
    defined, apart = digests.defined(table), {*RULE_TABLES, "Cities"}
    parts = {}
    for rule in dict.fromkeys(column.rule for column in dataset.columns):
        entries = [name for each in RULE_TABLES if (name := f"{each}[{rule}]") in defined]
        parts[f"rule:{rule}"] = digests.definitions_digest(table, entries, apart)
    parts["rule:clean"] = digests.digest(
        [
            digests.definitions_digest(frame, ["clean"], apart),
            digests.definitions_digest(table, ["says_something"], apart),
        ]
    )
    if dataset.lookups:
        parts["rule:Cities"] = digests.definitions_digest(cities, ["Cities"])
    return parts


def _reference_digest(state: State, name: str) -> str:
    """Digest of the newest content of a reference dataset, files that are about to land included.

    Of all drops of the newest day, in their order: of A, B and A again at one path other rows win than of A and B.
    """
    raw = ingest.RAW[name]()
    found = [(d.drop_date, d.drop_id, d.sha256) for d in state.newest[name]]
    found += [(a.drop_date, a.retry or sys.maxsize, a.file.sha256) for a in raw.arrivals(state).new]
    newest = max((day for day, *_ in found), default=None)
    ordered = sorted(found, key=lambda drop: drop[:2])  # new files get their ids in the order of the scan
    return digests.digest([sha256 for day, _, sha256 in ordered if day == newest])


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
    """The records of a drop in chunks: `_line`, the contract's columns and `_record`, as text. In no certain order."""
    import pandas as pd

    names = [*dataset.column_names, "_record"]
    types = {"_line": pa.int64(), **dict.fromkeys(names, pa.string())}
    query = f"select {', '.join(types)} from raw.{dataset.name} where _drop_id = %(drop)s"
    for chunk in copy_out(db, query, {"drop": drop_id}, types, chunk_rows):
        yield chunk.to_pandas(types_mapper=pd.ArrowDtype)


def read_many(
    db: Connection, dataset: Dataset, drops: Sequence[Drop], chunk_rows: int
) -> Iterator[tuple[Drop, pd.DataFrame]]:
    """The same of several drops: small ones, whose records come in one chunk each, or a single one of any size."""
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
        fits = _fit_into_a_chunk([drop], chunk_rows)
        rows, size = rows + (drop.rows or 0), size + drop.size
        if together and not (fits and rows <= chunk_rows and size <= MAX_CHUNK):
            yield together
            together, rows, size = [], drop.rows or 0, drop.size
        together.append(drop)
        if not fits:
            yield together
            together, rows, size = [], 0, 0
    if together:
        yield together


def _fit_into_a_chunk(drops: Sequence[Drop], chunk_rows: int) -> bool:
    """Whether the records of these drops are few and, however wide, small: of a packed file, nobody knows."""
    packed = any(drop.path.lower().endswith((".gz", ".xlsx")) for drop in drops)
    rows, size = sum(drop.rows or 0 for drop in drops), sum(drop.size for drop in drops)
    return rows <= chunk_rows and size <= MAX_CHUNK and not packed


def _unread(dataset: Dataset, frame: pd.DataFrame, cleaned: pa.Table, accepted: pa.Array) -> dict[str, list[int]]:
    """column -> the lines of accepted rows where something came and nothing came out."""
    found = {}
    for column in dataset.columns:
        if not cleaned[column.name].null_count:
            continue
        empty = pc.and_(accepted, pc.is_null(cleaned[column.name])).combine_chunks()
        if pc.any(empty).as_py():
            came = pa.array(frame[column.name], pa.string(), from_pandas=True)
            told = says_something(came.filter(empty), column.rule)
            lines = cleaned["_line"].filter(empty).filter(told).to_pylist()
            if lines:
                found[column.name] = lines
    return found


KINDS = ("changed", "flagged", "rejected")
Stats = Counter[tuple[int, str, str, str]]  # (drop, column, rule, "changed" | "flagged" | "rejected") -> count


@dataclass(frozen=True)
class Taken(Tally):
    """Rows of a drop that would take the place of other students' rows. before: the drops of those."""

    before: frozenset[int] = frozenset()


NOBODY = Taken("rows", 0, [])


class Cleaning:
    """Rows of some drops on their way from raw to staging.

    Accepted rows go into the temporary table `cleaned`, and from there only the difference into staging. The first
    drop into an empty table goes straight in, which halves the work; what then loses is taken out again. Rejected
    rows (their keys and reasons) go into `refused`.
    """

    def __init__(
        self,
        db: Connection,
        dataset: Dataset,
        drops: list[Drop],
        accepted: list[Drop],
        build: int,
        *,
        apart: bool = False,
    ) -> None:
        self.db, self.dataset, self.drops, self.accepted, self.number = db, dataset, drops, accepted, build
        self.stats: Stats = Counter()
        self.profiles = {drop.drop_id: Profile() for drop in drops}
        self.keys: dict[int, dict[str, str | None]] = {}  # by drop, of the snapshots compared: key -> class
        self.target = f"staging.{dataset.table}"
        self.key = dataset.key
        self.content = [name for name in dataset.staged_names if name != self.key] + ["flags"]
        self.empty = is_empty(db, self.target)
        # A reject file is judged by the rejects that are open before its own rows count.
        self.direct = self.empty and len(drops) == 1 and not apart and not drops[0].partial
        self.cleaned = self.target if self.direct else "cleaned"

    @property
    def drop_ids(self) -> list[int]:
        return [drop.drop_id for drop in self.drops]

    def run(self, statement: str, **values: object) -> int:
        return self.db.execute(text(statement), values).rowcount

    def stage(self, options: Settings, *, full: bool, recorded: int | None) -> Built:
        """Clean the drops, settle which row of each key wins, write the difference and the account of every row.

        recorded: the rows the table had, when they are known and `full` is not asked for.
        """
        # Tables just filled have no statistics: a merge join would sort a million wide rows to find a few.
        self.run("set local enable_mergejoin = off")
        if self.direct:
            with without_indexes(self.db, self.target):
                self._load(options)
                self._find_losers()
                self._hold(options)
                self._remove_losers()
            self._count_outcome()
            difference, moved = Difference(inserted=self._current()), self._keep_versions(everything=full)
        else:
            self._create_cleaned()
            self._load(options)
            self._find_losers()
            self._hold(options)
            unsaid = self._keep_versions(everything=full)
            self._remove_losers()
            moved = (not self.empty and self._settle_against_staging(everything=full)) or unsaid
            self._count_outcome()
            difference = self._apply(everything=full)
        self._write_profiles()
        self._write_rejects()
        self._write_stats()
        self._write_balance()
        before = 0 if self.direct else None if full else recorded
        rows = count_rows(self.db, self.target, difference, before)
        gone = f", {difference.deleted:,} gone" if difference.deleted else ""
        note = f"{difference.inserted:,} new, {difference.updated:,} updated{gone}"
        return Built(rows, difference.changed, invalidates_incremental=moved or difference.deleted > 0, note=note)

    def _create_cleaned(self) -> None:
        columns = [
            f"{name} {kind}" + (' collate "C"' if name == self.key else "") for name, kind in self.dataset.staged
        ]
        self.run(f"""
            create temp table cleaned (
                {", ".join(columns)}, flags text[], _drop_id bigint, _line bigint, _build bigint
            ) on commit drop
        """)

    def _load(self, options: Settings) -> None:
        """Clean the records in raw: accepted ones into `cleaned` as they come, rejected ones into `refused` after."""
        self.run(f"""
            create temp table refused (
                {self.key} text, reasons text[] not null, _drop_id bigint, _line bigint
            ) on commit drop
        """)
        with Spool(self.db, "refused", [self.key, "reasons", "_drop_id", "_line"]) as refused:
            copy_in(self.db, self.cleaned, self._accepted_rows(options, refused))
            refused.copy_in()

    def _accepted_rows(self, options: Settings, refused: Spool) -> Iterator[pa.Table]:
        context = contexts(self.db, self.dataset, options, self.drops)
        progress = Progress(f"cleaning {self.target}")
        for drop, frame in self._raw(options):
            rows, counts = clean(frame, self.dataset, context[drop.drop_id])
            self._add_stats(drop.drop_id, counts)
            progress.add(len(rows))
            table = pa.Table.from_pandas(rows, preserve_index=False)
            table = table.append_column("_drop_id", pa.repeat(pa.scalar(drop.drop_id), len(table)))
            accepted = pc.is_null(table["reasons"])
            unread = _unread(self.dataset, frame, table, accepted)
            refused.add(table.filter(pc.invert(accepted)))
            table = table.filter(accepted).drop_columns("reasons")
            self.profiles[drop.drop_id].add(self.dataset, table, len(rows) - len(table), unread, drop.fields)
            yield table.append_column("_build", pa.repeat(pa.scalar(self.number), len(table)))

    def _raw(self, options: Settings) -> Iterator[tuple[Drop, pd.DataFrame]]:
        """The records of the drops, in chunks."""
        if _fit_into_a_chunk(self.drops, options.chunk_rows):
            yield from list(self._read(self.db, options))
            return
        # A second connection reads ahead: raw is committed and append-only, and one connection can't do both.
        with options.database.transaction() as reader:
            yield from self._read(reader, options)

    def _read(self, db: Connection, options: Settings) -> Iterator[tuple[Drop, pd.DataFrame]]:
        # raw has no statistics: the planner would read all of it, where the index knows the drop's pages.
        db.execute(text("set local enable_seqscan = off"))
        for drops in _together(self.drops, options.chunk_rows):
            yield from read_many(db, self.dataset, drops, options.chunk_rows)
        # The index does not know pages that came since the last build; now they are in memory.
        db.execute(text(f"select brin_summarize_new_values('raw.{self.dataset.name}_lines')"))
        db.execute(text("set local enable_seqscan = on"))

    def _add_stats(self, drop_id: int, counts: pd.DataFrame) -> None:
        of = counts.to_dict("list")
        for place, name in enumerate(zip(of["column"], of["rule"], strict=True)):
            for kind in KINDS:
                self.stats[drop_id, *name, kind] += of[kind][place]

    # --- the guard --------------------------------------------------------------------------------------------------

    def _hold(self, options: Settings) -> None:
        """Hold the drops that do not look right: their rows leave `cleaned`, and stay in raw.

        A drop is judged once, before it is first staged; what a person approved is not judged.
        """
        query = text("select drop_id from etl.drops where drop_id = any(:drops) and profile is null")
        new = set(self.db.execute(query, {"drops": self.drop_ids}).scalars())
        if not new:
            return
        held: dict[int, list[Finding]] = {}
        taken, lost = self._taken_over(list(new), held), self._all_lost()
        own, earlier = set(self.drop_ids), list[Drop]()
        if len(own) > 1 and self.dataset.mode == "snapshot":
            self.run("create index on cleaned (_drop_id)")  # the keys of each are asked for
        for drop in self.accepted:  # in their order
            if drop.drop_id in own and drop.drop_id in new and drop.decision != "approve":
                found = too_early(drop.drop_date, drop.landed_on) if drop.landed_on else []
                if drop.partial:
                    found += self._no_reject_file(drop)
                else:
                    profile = self.profiles[drop.drop_id]
                    found += judged(profile, *lost[drop.drop_id], options)
                    found += of_others(self.key, taken.get(drop.drop_id, NOBODY), profile.rows, options)
                    found += self._compared(drop, earlier, options)
                if found:
                    held[drop.drop_id] = found
                    if any(drop.drop_id in each.before for each in taken.values()):
                        taken = self._taken_over(list(new), held)  # a held row has no place that could be taken
                    continue
            if not drop.partial:
                earlier.append(drop)
        if held:
            self._take_out(held)

    def _take_out(self, held: dict[int, list[Finding]]) -> None:
        paths = {drop.drop_id: shown(drop.path) for drop in self.drops}
        for drop_id, found in held.items():
            reason = held_reason(paths[drop_id], found)
            log.warning("held drop %s: %s", drop_id, reason)
            self.run(
                "update etl.drops set status = 'held', reason = :reason, findings = :findings where drop_id = :drop",
                drop=drop_id,
                reason=reason,
                findings=json.dumps([finding.stored() for finding in found]),
            )
        for table in (self.cleaned, "refused"):
            self.run(f"delete from {table} where _drop_id = any(:held)", held=list(held))
        self._write_profiles()
        self.drops = [drop for drop in self.drops if drop.drop_id not in held]
        self.run("drop table losers, repeated")
        self._find_losers()  # a held drop supersedes nobody

    def lost(self, drop: Drop) -> tuple[list[Tally], Tally]:
        """The rows of a drop that would be thrown away: rejected ones by reason, and repeats with other values."""
        return self._all_lost()[drop.drop_id]

    def _all_lost(self) -> dict[int, tuple[list[Tally], Tally]]:
        """The same of every drop."""
        by_reason = text("""
            select _drop_id, reason, count(*) as rows, (array_agg(_line order by _line))[1 \\: 3] as lines
            from refused cross join unnest(reasons) as reason
            group by _drop_id, reason order by rows desc, reason
        """)
        repeats = text("""
            select _drop_id, 'repeated', count(*) as rows, (array_agg(_line order by _line))[1 \\: 3] as lines
            from losers where differs group by _drop_id
        """)
        refused: dict[int, list[Tally]] = {drop_id: [] for drop_id in self.drop_ids}
        for drop_id, *tally in self.db.execute(by_reason):
            refused[drop_id].append(Tally(*tally))
        repeated = {drop_id: Tally(*tally) for drop_id, *tally in self.db.execute(repeats)}
        none = Tally("repeated", 0, [])
        return {drop_id: (tallies, repeated.get(drop_id, none)) for drop_id, tallies in refused.items()}

    def _taken_over(self, drop_ids: list[int], held: Collection[int]) -> dict[int, Taken]:
        """Per drop its rows whose key names a row of another student in an earlier one that is not held.

        A row is compared with the one of its key that came last before it, and with the current one in staging.
        """
        if self.direct or not drop_ids or self.key == "student_id" or "student_id" not in self.dataset.column_names:
            return {}
        query = text(f"""
            with pairs as (
                select
                    r._drop_id, r._line, r.student_id,
                    lag(r._drop_id) over w as before, lag(r.student_id) over w as student_before
                from repeated as r
                inner join etl.drops as d on r._drop_id = d.drop_id
                where not r._drop_id = any(:held)
                window w as (partition by r.{self.key} order by d.drop_date, r._drop_id, r._line)
                union all
                select c._drop_id, c._line, c.student_id, s._drop_id, s.student_id
                from cleaned as c
                inner join {self.target} as s using ({self.key})
                inner join etl.drops as n on c._drop_id = n.drop_id
                inner join etl.drops as o on s._drop_id = o.drop_id
                where (o.drop_date, s._drop_id) < (n.drop_date, c._drop_id)
            )
            select
                _drop_id, count(distinct _line) as rows, (array_agg(_line order by _line))[1 \\: 3] as lines,
                array_agg(distinct before) as before
            from pairs where _drop_id = any(:drops) and before <> _drop_id and student_before <> student_id
            group by _drop_id
        """)
        rows = self.db.execute(query, {"drops": drop_ids, "held": list(held)})
        return {row._drop_id: Taken("rows", row.rows, row.lines, frozenset(row.before)) for row in rows}

    def _no_reject_file(self, drop: Drop) -> list[Finding]:
        """Why a drop that is called a reject file is none. It is not judged otherwise, so it may mend rejects only."""
        named = text("select dataset, status from etl.drops where drop_id = :drop")
        number = drop.mends if drop.mends is not None and drop.mends < 1 << 63 else 0
        mended = self.db.execute(named, {"drop": number}).one_or_none()
        said, rows = f"it is called a reject file of drop {drop.mends}", self.profiles[drop.drop_id].rows
        if mended is None or mended.dataset != self.dataset.name:
            of = "does not exist" if mended is None else f"is one of {mended.dataset}"
            return [Finding("", said, "", f"{said}, which {of}")]
        rejected, still_open = self._rejects_of(number)
        if not still_open:
            return [Finding("", f"{rows:,} rows", "no open reject", f"{said}, which has no open rejects")]
        if rows > rejected:
            what = f"{said}, which has {rejected:,} rejected rows; the file has {rows:,}"
            return [Finding("", f"{rows:,} rows", f"{rejected:,} rejects", what)]
        others = self._other_rows(drop, number)
        if others.rows:
            where = at_lines(others.lines, others.rows)
            what = f"{said}, but {others.rows:,} of its rows name a line that was not rejected, or none: {where}"
            return [Finding("", f"{others.rows:,} rows", "rejected lines only", what)]
        return []

    def _other_rows(self, drop: Drop, mended: int) -> Tally:
        """Rows of a reject file that mend nothing: their reject_line is no rejected line of the drop that it mends.

        A row without reject_line is known by its key, if a rejected row had that key.
        """
        rejects = "select line, key from etl.rejects where drop_id = :mended and outcome = 'rejected'"
        if mended in self.drop_ids:
            rejects = f"select _line, {self.key} from refused where _drop_id = :mended"
        query = text(f"""
            with rejects (line, key) as materialized ({rejects}),
            others as (
                select r._line
                from raw.{self.dataset.name} as r
                left join {self.cleaned} as c on (c._drop_id, c._line) = (r._drop_id, r._line)
                where r._drop_id = :drop and case
                    when r._extra ->> 'reject_line' is null
                        then not exists (select from rejects where key = c.{self.key})
                    else not exists (select from rejects where line::text = r._extra ->> 'reject_line')
                end
            )
            select
                'rows' as what, count(*) as rows,
                coalesce((array_agg(_line order by _line))[1 \\: 3], '{{}}') as lines
            from others
        """)
        return Tally(*self.db.execute(query, {"drop": drop.drop_id, "mended": mended}).one())

    def _rejects_of(self, drop_id: int) -> tuple[int, int]:
        """(rejected, of them open) rows of a drop; of one that is cleaned just now, those that nobody settled."""
        if drop_id in self.drop_ids:
            query = text("""
                select count(*), count(*) filter (
                    where not exists (select from etl.settled as s where (s.drop_id, s.line) = (r._drop_id, r._line))
                )
                from refused as r where _drop_id = :drop
            """)
        else:
            query = text("""
                select
                    (select count(*) from etl.rejects where drop_id = :drop and outcome = 'rejected'),
                    (select count(*) from staging.open_rejects where drop_id = :drop)
            """)
        rejected, still_open = self.db.execute(query, {"drop": drop_id}).one()
        return rejected, still_open

    def _compared(self, drop: Drop, earlier: list[Drop], options: Settings) -> list[Finding]:
        """What makes a drop look unlike the drops before it, the newest last.

        A snapshot may come in several files: those of its day are compared with those of the day before.
        """
        found = []
        before = self._snapshot_before(drop, earlier)
        if before:
            today = self._by_day[drop.drop_date]
            keys = (self._keys(today, options), self._keys(before, options))
            found += compared_keys(*keys, options, roster=self.classed)
        profile = self._profile(earlier[-1].drop_id) if earlier else None
        return [*found, *(compared(self.profiles[drop.drop_id], profile, options) if profile else [])]

    def _profile(self, drop_id: int) -> Profile | None:
        """What a drop looks like: one that is cleaned just now, or as recorded."""
        if drop_id in self.profiles:
            return self.profiles[drop_id]
        query = text("select profile from etl.drops where drop_id = :drop")
        stored = self.db.execute(query, {"drop": drop_id}).scalar()
        return Profile.read(stored) if stored else None

    @functools.cached_property
    def _by_day(self) -> dict[date, list[Drop]]:
        """The accepted drops of each day."""
        days: dict[date, list[Drop]] = defaultdict(list)
        for drop in self.accepted:
            days[drop.drop_date].append(drop)
        return days

    def _snapshot_before(self, drop: Drop, earlier: list[Drop]) -> list[Drop]:
        """The drops of the last day before it, when the dataset comes in snapshots."""
        if self.dataset.mode != "snapshot":
            return []
        found: list[Drop] = []
        for other in reversed(earlier):
            if other.drop_date < (found[0].drop_date if found else drop.drop_date):
                if found:
                    break
                found.append(other)
            elif found:
                found.append(other)
        return found[::-1]

    @property
    def classed(self) -> bool:
        """Whether the dataset is a roster: its keys are students, in classes."""
        return "class_id" in self.dataset.column_names

    def _keys(self, drops: list[Drop], options: Settings) -> dict[str, str | None]:
        """The keys that these drops name, each asked once: as cleaned just now, or cleaned again from raw."""
        for drop in drops:
            if drop.drop_id not in self.keys:
                self.keys[drop.drop_id] = self._keys_of(drop, options)
        return {key: name for drop in drops for key, name in self.keys[drop.drop_id].items()}

    def _keys_of(self, drop: Drop, options: Settings) -> dict[str, str | None]:
        named = [self.key, *(["class_id"] if self.classed else [])]
        if drop.drop_id in self.profiles:
            query = text(f"select {', '.join(named)} from {self.cleaned} where _drop_id = :drop order by _line")
            rows = self.db.execute(query, {"drop": drop.drop_id})
            return {row[0]: row[-1] if self.classed else None for row in rows}
        context = contexts(self.db, self.dataset, options, [drop])[drop.drop_id]
        keys: dict[str, str | None] = {}
        for frame in read_raw(self.db, self.dataset, drop.drop_id, options.chunk_rows):
            rows = clean(frame[["_line", *named, "_record"]].sort_values("_line"), self.dataset, context).rows
            rows = rows[rows[self.key].notna()].astype(object)
            rows = rows.where(rows.notna(), None)
            keys |= dict(zip(rows[self.key], rows["class_id"] if self.classed else [None] * len(rows), strict=True))
        return keys

    # --- a held drop, looked at -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def read_apart(self, options: Settings) -> Iterator[Cleaning]:
        """Its rows in `cleaned`, `refused` and `losers` for as long as the block lasts; nothing else changes."""
        self._create_cleaned()
        self._load(options)
        self._find_losers()
        yield self
        self.run("drop table cleaned, refused, losers, repeated")

    def snapshots(self, drop: Drop, options: Settings) -> tuple[dict[str, str | None], dict[str, str | None]]:
        """The keys of the snapshot before a drop, and those that other drops of its day name."""
        whole = [other for other in self.accepted if not other.partial]
        before = [] if drop.partial else self._snapshot_before(drop, whole)
        today = [other for other in whole if other.drop_date == drop.drop_date]
        return (self._keys(before, options), self._keys(today, options)) if before else ({}, {})

    def _write_profiles(self) -> None:
        self.run(
            """
            update etl.drops as d set profile = n.profile
            from unnest(cast(:drops as bigint []), cast(:profiles as jsonb [])) as n (drop_id, profile)
            where d.drop_id = n.drop_id
            """,
            drops=self.drop_ids,
            profiles=[json.dumps(self.profiles[drop].stored()) for drop in self.drop_ids],
        )

    # --- which row of a key counts ----------------------------------------------------------------------------------

    def _keep_versions(self, *, everything: bool) -> bool:
        """Keep the last accepted row of every key and drop date in the dataset's versions; whether any had to go."""
        if not self.dataset.versions:
            return False
        table, key = f"staging.{self.dataset.versions}", ("dataset", self.key, "drop_date")
        known = columns_of(self.db, table)
        content = [name for name in self.dataset.staged_names if name in known and name != self.key]
        same = " and ".join(f"v.{name} = n.{name}" for name in key)
        self.run(
            f"""
            create temp table versions on commit drop as
            select distinct on (c.{self.key}, d.drop_date)
                cast(:dataset as text) as dataset, d.drop_date, c.{self.key}, {", ".join(f"c.{n}" for n in content)},
                c._drop_id, c._line
            from {self.cleaned} as c
            inner join etl.drops as d on c._drop_id = d.drop_id
            order by c.{self.key}, d.drop_date, c._drop_id desc, c._line desc
            """,
            dataset=self.dataset.name,
        )
        if everything:
            gone = f"not exists (select from versions as n where {same})"
            unsaid = f"delete from {table} as v where v.dataset = :dataset and {gone}"
            removed = self.run(unsaid, dataset=self.dataset.name)
        else:  # an older drop of the day, approved later
            later = f"{same} and (v._drop_id, v._line) > (n._drop_id, n._line)"
            self.run(f"delete from versions as n using {table} as v where {later}")
            removed = 0
        apply_difference(
            self.db,
            table,
            "versions",
            key=key,
            content=content,
            provenance=PROVENANCE,
            stamp=self.number,
        )
        return removed > 0

    def _find_losers(self) -> None:
        """`losers`: accepted rows whose key comes again: later in the drop (duplicate), in a newer one (superseded)."""
        same = " and ".join(f"a.{name} is not distinct from b.{name}" for name in self.content)
        # Sorting numbers finds what may come again in 0.5 s a million; grouping by the keys takes 2. Two keys of one
        # number cost nothing: below, rows are told apart by their keys.
        self.run("set local enable_hashagg = off; set local max_parallel_workers_per_gather = 0")
        self.run(f"""
            create temp table repeated on commit drop as
            select *, ctid as row from {self.cleaned} where ctid = any(array(
                select ctid from {self.cleaned} where hashtext({self.key}) in (
                    select number from (select hashtext({self.key}) as number from {self.cleaned}) as numbers
                    group by number having count(*) > 1
                )
            ))
        """)
        self.run("set local enable_hashagg = on; set local max_parallel_workers_per_gather to default")
        self.run(f"""
            create temp table losers on commit drop as
            with ordered as (
                select
                    r.{self.key}, r._drop_id, r._line, r.row,
                    row_number() over (
                        partition by r.{self.key} order by d.drop_date desc, r._drop_id desc, r._line desc
                    ) as place,
                    max(r._line) over (partition by r.{self.key}, r._drop_id) as last_line
                from repeated as r
                inner join etl.drops as d on r._drop_id = d.drop_id
            )
            select
                o.{self.key}, o._drop_id, o._line, o.row, o._line < o.last_line as is_duplicate,
                o._line < o.last_line and not ({same}) as differs
            from ordered as o
            inner join repeated as a on (a._drop_id, a._line) = (o._drop_id, o._line)
            inner join repeated as b on (b._drop_id, b._line) = (o._drop_id, o.last_line)
            where o.place > 1
        """)

    def _remove_losers(self) -> None:
        self.run(f"delete from {self.cleaned} where ctid in (select row from losers)")

    def _count_outcome(self) -> None:
        """`outcome`: rows per drop and outcome, each counted on its own."""
        self.run(f"""
            create temp table outcome on commit drop as
            select _drop_id, 'current' as outcome, count(*) as rows from {self.cleaned} group by _drop_id
            union all
            select _drop_id, case when is_duplicate then 'duplicate' else 'superseded' end, count(*)
            from losers group by 1, 2
            union all
            select _drop_id, 'rejected', count(*) from refused group by _drop_id
        """)

    def _current(self) -> int:
        query = text("select coalesce(sum(rows), 0) from outcome where outcome = 'current'")
        return int(self.db.execute(query).scalar_one())

    def _apply(self, *, everything: bool) -> Difference:
        return apply_difference(
            self.db,
            self.target,
            "cleaned",
            key=[self.key],
            content=self.content,
            provenance=PROVENANCE,
            stamp=self.number,
            build=self.number,
            whole="cleaned" if everything else "",
        )

    def _write_rejects(self) -> None:
        self.run("delete from etl.rejects where drop_id = any(:drops)", drops=self.drop_ids)
        self.run(f"""
            create temp table kept on commit drop as
            select _drop_id, _line, 'rejected' as outcome, reasons, {self.key} as key from refused
            union all
            select _drop_id, _line, 'duplicate',
                array[case when differs then 'duplicate_conflict' else 'duplicate_identical' end], {self.key}
            from losers where is_duplicate
        """)
        self.run("analyze kept")  # else the join would hash raw, not these few
        self.run("set local enable_seqscan = off")  # as above: of raw, only the pages of these drops
        self.run(
            f"""
            insert into etl.rejects (drop_id, line, dataset, outcome, reasons, key, original)
            with found as materialized (  -- so that only these few are read whole
                select k.*, r.ctid as place
                from kept as k
                inner join raw.{self.dataset.name} as r on (r._drop_id, r._line) = (k._drop_id, k._line)
                where r._drop_id = any(:drops)
            )
            select f._drop_id, f._line, :dataset, f.outcome, f.reasons, f.key, to_jsonb(r) - array['_drop_id', '_line']
            from found as f inner join raw.{self.dataset.name} as r on r.ctid = f.place
            """,
            dataset=self.dataset.name,
            drops=self.drop_ids,
        )
        self.run("set local enable_seqscan = on")

    def _write_stats(self) -> None:
        self.run("delete from etl.rule_stats where drop_id = any(:drops)", drops=self.drop_ids)
        own = set(self.drop_ids)
        rows = [
            (*place, *(self.stats[*place, kind] for kind in KINDS))
            for place in sorted({key[:3] for key in self.stats if key[0] in own})
        ]
        if rows:
            names = ["drop_id", "column", "rule", *KINDS]
            columns = [pa.array(column) for column in zip(*rows, strict=True)]
            copy_in(self.db, "etl.rule_stats", [pa.table(columns, names=names)])

    def _settle_against_staging(self, *, everything: bool) -> bool:
        """Compare new rows with the current ones of the same keys; return whether a row moves between groups.

        Unless the new rows are everything there is, those older than the current row lose to it.
        """
        moved = " or ".join(f"s.{name} is distinct from c.{name}" for name in self.dataset.groups) or "false"
        wins = "true" if everything else "(n.drop_date, c._drop_id, c._line) > (o.drop_date, s._drop_id, s._line)"
        self.run(f"""
            create temp table contest on commit drop as
            select c.{self.key}, s._drop_id, {wins} as wins, {moved} as moved
            from cleaned as c
            inner join {self.target} as s using ({self.key})
            inner join etl.drops as n on c._drop_id = n.drop_id
            inner join etl.drops as o on s._drop_id = o.drop_id
        """)
        self.run(f"""
            insert into losers ({self.key}, _drop_id, _line, is_duplicate)
            select c.{self.key}, c._drop_id, c._line, false
            from cleaned as c inner join contest using ({self.key}) where not wins
        """)
        self.run(f"delete from cleaned as c using contest as x where c.{self.key} = x.{self.key} and not x.wins")
        if not everything:
            self.run("""
                update etl.drops as d set current = d.current - x.rows, superseded = d.superseded + x.rows
                from (select _drop_id, count(*) as rows from contest where wins group by _drop_id) as x
                where d.drop_id = x._drop_id
            """)
        return bool(self.db.execute(text("select exists (select from contest where wins and moved)")).scalar())

    def _write_balance(self) -> None:
        """The account of each drop: that it balances is a constraint of etl.drops."""
        kinds = ("current", "superseded", "duplicate", "rejected")
        counts = ", ".join(f"coalesce(sum(o.rows) filter (where o.outcome = '{kind}'), 0) as {kind}" for kind in kinds)
        self.run(
            f"""
            update etl.drops as d set
                status = 'staged', read = n.read, {", ".join(f"{kind} = n.{kind}" for kind in kinds)}
            from (
                select r.drop_id, r.read, {counts}
                from unnest(cast(:drops as bigint []), cast(:read as bigint [])) as r (drop_id, read)
                left join outcome as o on r.drop_id = o._drop_id
                group by r.drop_id, r.read
            ) as n
            where d.drop_id = n.drop_id
            """,
            drops=self.drop_ids,
            read=[self.profiles[drop].rows for drop in self.drop_ids],
        )


def _step(dataset: Dataset) -> type[Staged]:
    names = {
        "target": f"staging.{dataset.table}",
        "dataset": dataset,
        "options": dataset.options,
        "__doc__": f"Current rows of {dataset.name}.",
        "__module__": __name__,
    }
    return type(f"Staged{dataset.family}", (Staged,), names)


# By dataset: StagedStudents, StagedAttendance, ...
STAGED: dict[str, type[Staged]] = {name: _step(dataset) for name, dataset in DATASETS.items()}


class CheckStaging(Check):
    """What must hold of staging before anything is made from it."""

    target, layer = "checks/staging", "staging"

    def build(self, build: Build) -> Built:
        # The warehouse reads the drops through views; without statistics they count as one row, and it joins by loops.
        build.db.exec_driver_sql("analyze etl.drops")
        return super().build(build)

    def requires(self) -> list[luigi.Task]:
        return [step() for step in STAGED.values()]


class Clean(Goal):
    """Goal: every accepted drop is cleaned, accounted for and checked."""

    def requires(self) -> list[luigi.Task]:
        return [*(step() for step in STAGED.values()), CheckStaging()]
