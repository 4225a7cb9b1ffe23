"""A process that has imported everything and forks one run after another: a new interpreter would cost a second each.

It holds no connection, so its forks share none. `python -m tests.faults.child` answers requests, one line of JSON each,
with two lines: the pid of the run, and its exit code once it has ended (minus the signal that ended it).
"""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def serve() -> int:
    _import_everything()
    parser = _remembered_parsers()
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        parser(request["arguments"])
        pid = os.fork()
        if not pid:
            return _run(request)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return 0


def _import_everything() -> None:
    sys.dont_write_bytecode = True
    import luigi.retcodes
    import pyarrow.parquet
    import sqlalchemy.dialects.postgresql.psycopg2

    import pipeline.outputs.report.page  # what the product imports late
    from pipeline.audit import graph
    from pipeline.config import PROJECT
    from pipeline.datasets import DATASETS
    from pipeline.ingest import readers
    from pipeline.staging import rule_parts
    from targets.parts import source_digest

    assert luigi.retcodes and pyarrow.parquet and sqlalchemy.dialects and pipeline.outputs.report.page
    for recipe in {recipe for step in graph() for recipe in step.recipes()}:
        source_digest(PROJECT / recipe)  # parsing them takes longer than a small step
    for path in readers():
        source_digest(path)
    for dataset in DATASETS.values():
        rule_parts(dataset)
    gc.freeze()


def _remembered_parsers() -> Callable[[list[str]], None]:
    """Luigi makes the parser of its command line, with every parameter of every task, nine times: half a small run."""
    from luigi.cmdline_parser import CmdlineParser

    build = functools.cache(CmdlineParser._build_parser)
    CmdlineParser._build_parser = staticmethod(build)  # type: ignore[method-assign]

    def remember(arguments: list[str]) -> None:
        if arguments[0] == "run":
            CmdlineParser(["--module", "pipeline", arguments[1]])

    return remember


def _run(request: dict[str, Any]) -> int:
    """In the fork: a run as from the command line, in a session of its own, its points counted."""
    from pipeline import ingest
    from pipeline.cli import main
    from pipeline.step import Step
    from targets import step
    from tests.faults import hook

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as at a terminal, whatever started the tests
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    os.environ.update(request["environment"])
    settings = Path(request["trace"]).with_suffix(".cfg")  # how soon Luigi notices that a child is dead
    settings.write_text("[worker]\nwait_interval = 0.05\n")
    os.environ["LUIGI_CONFIG_PATH"] = str(settings)
    step.LONG_ROWS = ingest.LONG_BYTES = -1  # with two workers every step is forked, as those of a large school are
    folders = [request["environment"][f"EDUFLOW_{name}_DIR"] for name in ("DATA", "OUTPUT")]
    hook.install(Path(request["trace"]), folders, request["at"], request["how"])
    run = Step.run

    def marked(one: Step) -> Iterator[Any]:
        hook.point("begin", one.target)
        yield from run(one)
        hook.point("end", one.target)

    Step.run = marked  # type: ignore[method-assign, assignment]
    return main(request["arguments"])


if __name__ == "__main__":
    sys.exit(serve())
