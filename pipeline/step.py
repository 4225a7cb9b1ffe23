"""Step: the Luigi task of this pipeline, and what its target is made from."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import ClassVar

import luigi

import init_db
from pipeline import definitions
from pipeline.config import PROJECT, settings
from pipeline.datasets.declaration import Dataset
from pipeline.run import Run, State, this_run
from targets import parts as digests
from targets import step as targets_step
from targets.parts import Parts
from targets.step import Built, Goal, relations_of

__all__ = ["Build", "Built", "DataFolder", "Goal", "Step"]

Build = targets_step.Build[State]


class Folder(luigi.LocalTarget):
    """A folder: a file of that name is none."""

    def exists(self) -> bool:
        return Path(self.path).is_dir()


class DataFolder(luigi.ExternalTask):
    """The folder the source files come in: missing, the run ends with exit code 20."""

    def output(self) -> Folder:
        return Folder(str(settings().data_dir))


class Step(targets_step.Step[State]):
    """A task that makes one target.

    target   `schema.table`, `output/...` or `checks/...`
    recipe   the files (relative to the project) that decide its content
    options  the keys of `[eduflow]` that do
    definitions  the names in definitions.py that do: `LOOK`, or `look_score` for one number of it, beside those
                 that its queries name
    dataset  its declaration, if it has one
    """

    recipe: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = ()
    definitions: ClassVar[tuple[str, ...]] = ()
    dataset: ClassVar[Dataset | None] = None

    def this_run(self) -> Run:
        return this_run()

    def recipes(self) -> tuple[str, ...]:
        return self.recipe

    def writes(self) -> tuple[str, ...]:
        """The tables it writes."""
        return (self.target,)

    def relations(self) -> list[str]:
        """Its tables, and the views and functions that its recipes or these name."""
        return _relations(self.writes(), tuple(PROJECT / path for path in self.recipes()))

    def defined(self) -> tuple[str, ...]:
        """The definitions that are parts, by name: those it declares, and those that its queries name."""
        queries = tuple(PROJECT / path for path in self.recipes() if path.endswith(".sql"))
        return tuple(dict.fromkeys((*self.definitions, *_named_definitions(queries))))

    def own_parts(self, state: State) -> Parts:
        parts = {f"recipe:{path}": digests.source_digest(PROJECT / path) for path in self.recipes()}
        if self.dataset:
            parts[f"declaration:{self.dataset.name}"] = digests.digest(self.dataset)
        parts |= {f"ddl:{name}": init_db.relations()[name].digest for name in self.relations()}
        parts |= {f"definition:{name}": digests.digest(definitions.value(name)) for name in self.defined()}
        for key in self.options:
            value = getattr(state.settings, key)
            parts[f"option:{key}"] = " ".join(sorted(value)) if isinstance(value, frozenset) else str(value)
        return parts


@functools.cache
def _relations(tables: tuple[str, ...], recipes: tuple[Path, ...]) -> list[str]:
    return relations_of(tables, frozenset[str]().union(*map(digests.source_names, recipes)))


@functools.cache
def _named_definitions(queries: tuple[Path, ...]) -> tuple[str, ...]:
    return definitions.named("\n".join(path.read_text(encoding="utf-8") for path in queries))
