"""The ways to lose data that were once reproduced, each as a change of today's code that brings it back; and what a
step can leave out of its declaration, so that a change is never noticed.

A change is a text of a file, which must be there exactly once, and what stands there instead. `tests` are those that
must notice: they fail with the change, and pass without.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Change:
    path: str
    old: str
    new: str

    def applied(self, project: Path) -> str:
        """The text of the file after the change; AssertionError unless `old` is there exactly once."""
        text = (project / self.path).read_text()
        assert text.count(self.old) == 1, f"{self.path} has {text.count(self.old)} times: {self.old!r}"
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Mutant:
    """name: what goes wrong, as in the list of ways to lose data."""

    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


def mutant(name: str, path: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, (Change(path, old, new),), tuple(f"tests/{test}" for test in tests))


RECORD = "            write_record(db, record, seconds=seconds, run_id=run.id, why=why)\n"
BUILD = "            built = self._built(db, state, record)\n"
RECORD_FIRST = """            with run.database.transaction() as first:
                early = replace(record, fingerprint=self.fingerprint(state), parts=self.parts(state), present=True)
                write_record(first, early, seconds=0, run_id=run.id, why=why)
"""

COPY_MANY = '    copy_in(db, f"raw.{dataset.name}", [pa.concat_tables(tables)] if tables else [])\n'
ORACLE = "test_make_oracle.py::test_what_steps_declare_rebuilds_what_depends_on_it"

MUTANTS = (
    mutant(
        *("marker in a second transaction", "targets/step.py"),
        RECORD,
        "        with run.transaction() as db:\n" + RECORD,
        "test_durability.py::test_a_target_whose_record_cannot_be_written_is_not_written_either",
    ),
    mutant(
        *("marker first", "targets/step.py"),
        BUILD,
        RECORD_FIRST + BUILD,
        "test_durability.py::test_a_target_that_cannot_be_written_is_not_on_record",
    ),
    mutant(
        *("autocommit", "targets/postgres/connection.py"),
        "poolclass=NullPool, hide_parameters=True",
        'poolclass=NullPool, hide_parameters=True, isolation_level="AUTOCOMMIT"',
        "test_durability.py::test_a_file_that_cannot_be_kept_in_the_ledger_is_not_kept_in_raw",
    ),
    mutant(
        *("a commit of its own for the rows of a drop", "pipeline/ingest.py"),
        COPY_MANY,
        COPY_MANY + "    db.connection.driver_connection.commit()\n",
        "test_durability.py::test_a_file_that_cannot_be_kept_in_the_ledger_is_not_kept_in_raw",
    ),
    mutant(
        *("UNLOGGED table", "init_db/schema/staging/stg_progress.sql"),
        "create table staging.stg_progress (",
        "create unlogged table staging.stg_progress (",
        "test_durability.py::test_no_table_is_emptied_by_a_crash_of_the_server",
    ),
    mutant(
        *("no lock", "targets/step.py"),
        "            lock(db, self.target, [step.target for step in self.steps()])\n",
        "",
        "test_bad_input.py::test_a_file_that_changes_between_look_and_load_is_an_error_and_kept_by_half_nowhere",
    ),
    mutant(
        *("re-hashing the path instead of the bytes loaded", "pipeline/ingest.py"),
        "        if source.digest != arrival.file.digest:\n",
        "        if digests.file_digest(arrival.file.absolute) != arrival.file.sha256:\n",
        "test_durability.py::test_a_file_that_was_another_one_while_it_was_read_is_not_landed_though_it_is_itself_again",
    ),
    mutant(
        *("glob in requires()", "pipeline/ingest.py"),
        "        return [step() for step in RAW.values()]\n",
        "        from pipeline.config import settings\n\n"
        '        return [step() for step in RAW.values() if any(settings().data_dir.rglob(f"{step.dataset.name}*"))]\n',
        "test_durability.py::test_a_goal_lands_and_stages_a_file_whatever_it_is_called_and_though_it_is_gone_by_now",
    ),
    mutant(
        *("a glob at every look", "pipeline/run.py"),
        "        if self.scan is None and self.options.data_dir.is_dir():\n",
        "        if self.options.data_dir.is_dir():\n",
        "test_durability.py::test_a_file_that_comes_while_a_run_is_under_way_waits_for_the_next_one",
    ),
    mutant(
        *("an insignificant parameter", "pipeline/datasets/declaration.py"),
        '"phone": ("phone_country_code", "phone_digits")',
        '"phone": ("phone_country_code",)',
        "test_durability.py::test_a_setting_that_cleans_cleans_again_when_it_changes",
    ),
    mutant(
        *("NaN clamp", "pipeline/rules/numbers.py"),
        r"""|[+-]?\.[0-9]+"
)""",
        r"""|[+-]?\.[0-9]+|(?i:[+-]?nan|[+-]?inf(?:inity)?)"
)""",
        "test_rules.py::test_percentages_are_capped",
    ),
    mutant(
        *("a connection shared over fork", "targets/run.py"),
        "        if self._connection is None or self._connection[0] != os.getpid():\n",
        "        if self._connection is None:\n",
        "test_durability.py::test_a_forked_process_has_a_connection_of_its_own",
    ),
    mutant(
        *("an option left out of a step", "pipeline/warehouse.py"),
        '("only_row",), ("as_of",)',
        '("only_row",), ()',
        ORACLE,
    ),
    mutant(
        *("an option left out of a dataset", "pipeline/datasets/declaration.py"),
        '"attendance": ("attendance_status",)',
        '"attendance": ()',
        ORACLE,
    ),
    mutant(
        *("a definition left out of a step", "pipeline/enrich.py"),
        '("risk.py", "wording.py"), ("RISK",)',
        '("risk.py", "wording.py"), ()',
        ORACLE,
    ),
    mutant(
        *("a recipe left out of a step", "pipeline/outputs/rejects.py"),
        '("pipeline/sources/formulas.py",)',
        "()",
        ORACLE,
    ),
    mutant(
        *("a module left out of an agent's", "pipeline/enrich.py"),
        '("quality.py", "causes.py", "wording.py")',
        '("quality.py", "wording.py")',
        ORACLE,
    ),
    mutant(
        *("a rule left out of a dataset", "pipeline/staging/__init__.py"),
        "dict.fromkeys(column.rule for column in dataset.columns)",
        'dict.fromkeys(column.rule for column in dataset.columns if column.rule != "grade")',
        ORACLE,
    ),
    mutant(
        *("an input left out of a step", "pipeline/outputs/pages.py"),
        "[Insights(), CheckAnalytics()]",
        "[CheckAnalytics()]",
        ORACLE,
    ),
)  # fmt: skip
