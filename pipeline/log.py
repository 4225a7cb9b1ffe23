"""What the log shows: a person's mistake as one line, and no control character of anything it quotes."""

from __future__ import annotations

import logging
import re
import time

from luigi.rpc import RPCError

from pipeline.config import ConfigError
from pipeline.run import this_run
from pipeline.sources.folder import printable_lines
from targets.artifact import ArtifactError
from targets.errors import UserError, WaitsError
from targets.postgres.connection import DatabaseError
from targets.run import log

NO_SCHEDULER = (
    "The central scheduler does not answer; what is built stays built. "
    "Start it (eduflow ui) and run again, or run without one: eduflow run"
)


class _NoTraceback(logging.Filter):
    """Luigi logs every failure with its traceback; for a person's mistake the message alone helps."""

    # What complete() raised comes as text.
    raised = re.compile(
        r"(Will not run [^\n]*)\nTraceback .*\n\w+[.\w]*\.(?:User|Waits|Step|Config|Database|Artifact)Error: (.*)", re.S
    )

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        record.waits = isinstance(error, WaitsError)  # `eduflow run` says it in its ending
        if error is None:  # Luigi asks for tracebacks where there are none: "NoneType: None"
            record.exc_info = None
        if isinstance(error, UserError | DatabaseError | ConfigError | ArtifactError):
            record.exc_info, record.msg, record.args = None, str(error), ()
        elif isinstance(error, RPCError):
            record.exc_info, record.msg, record.args = None, NO_SCHEDULER, ()
        elif not record.args and (found := self.raised.fullmatch(str(record.msg))):
            record.msg = "\n".join(found.groups()).rstrip()
        return True


class _Printable(logging.Filter):
    """Whatever a line quotes, also one of Luigi's own or a traceback, no control character of it gets out."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable_lines(record.getMessage()), ()
        if record.exc_info and record.exc_info[0]:
            record.exc_text = printable_lines(logging.Formatter().formatException(record.exc_info))
        return True


logging.getLogger("luigi-interface").addFilter(_NoTraceback())
for _logger in ("luigi-interface", log.name, "luigi.scheduler"):
    logging.getLogger(_logger).addFilter(_Printable())


class Progress:
    """Says how far a long step is: every few seconds in the log, every second on the scheduler's page.

    No value of a row gets there, and no name of a file on the page.
    """

    def __init__(self, what: str, every: float = 5.0) -> None:
        self.what, self.every, self.rows, self.said = what, every, 0, time.monotonic()
        self.shown = 0.0

    def add(self, rows: int) -> None:
        self.rows += rows
        say = this_run().say
        if say and time.monotonic() - self.shown > 1:
            self.shown = time.monotonic()
            say(f"{self.what.partition(' ')[0]}: {self.rows:,} rows so far")  # what follows may name a file
        if time.monotonic() - self.said > self.every:
            self.said = time.monotonic()
            log.info("%s: %s rows so far", self.what, f"{self.rows:,}")
