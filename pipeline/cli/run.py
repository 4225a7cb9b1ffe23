"""run: Luigi in-process, its exit codes, our lines instead of its log.

On a terminal one line shows how far the run is; it ends with what changed, what waits for a person and what to do.
`--verbose` adds a line per target, the account of every drop and the rows of every table.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pipeline import attempts
from pipeline import home as homes
from pipeline.attempts import Attempt
from pipeline.cli.tables import nearby, print_table, terminal
from pipeline.cli.verbs import GOALS
from pipeline.config import Settings
from pipeline.scheduler import SCHEME, address
from pipeline.sources.folder import shown
from pipeline.step import (
    Step,
    UserError,
    begin_run,
    cancel_statement,
    count_steps,
    log,
    read_state,
    run_id,
    transaction,
)
from targets.artifact import ArtifactError
from targets.database import DatabaseError

LEFT_TO_OTHERS = (10, 25)  # Luigi's exit codes: run by another worker, not run
END = 0  # no signal has this number
MOST = 8  # things named one by one in the ending: with what is around them, it fits forty lines


class Terminated(KeyboardInterrupt):
    """SIGTERM: a service manager wants the run to end."""


def run(arguments: argparse.Namespace, options: Settings) -> int:
    """Build the goal. The attempt is kept, however it ends."""
    started = time.perf_counter()
    goal = _goal(arguments.goal)
    begin_run()
    code, reached = 40, False
    with contextlib.ExitStack() as going:
        try:
            with stoppable(), _shown(verbose=arguments.verbose):
                if arguments.new:
                    options.home.forget_databases()
                with transaction(options) as db:
                    attempts.begin(db, arguments.goal)
                going.enter_context(attempts.going_on(options))
                reached = True
                code = 20 if lacks_data_folder(options) else _built(arguments, options, goal)
        except KeyboardInterrupt as stop:
            code = 143 if isinstance(stop, Terminated) else 130
        except (UserError, DatabaseError):
            code = 1
            raise
        finally:
            attempt = _kept(options, arguments.goal, code, time.perf_counter() - started, reached=reached)
    if attempt:
        _finish(options, attempt, verbose=arguments.verbose)
    return code


def _built(arguments: argparse.Namespace, options: Settings, goal: type[Any]) -> int:
    with transaction(options) as db:
        if said := homes.mixed(db, options.data_dir):
            raise UserError(said)
        state = read_state(db, options)
        count_steps(sum(not step.is_current(state) for step in _steps(goal)))
    return _scheduled(arguments, options)


def _kept(options: Settings, goal: str, code: int, seconds: float, *, reached: bool) -> Attempt | None:
    """Keep the attempt; trouble in doing so never hides how the run itself ended."""
    attempt = None
    try:
        if reached:
            with contextlib.suppress(DatabaseError, DBAPIError):
                attempt = attempts.end(options, goal, code, seconds)
                attempts.publish(options, attempt)
                return attempt
        attempts.end_without_database(options, goal, code, seconds)
    except (ArtifactError, OSError) as error:
        print(f"This attempt could not be noted in {options.output_dir}: {error}", file=sys.stderr)
    return attempt


def _goal(name: str) -> type[Any]:
    """The task class; UserError with the nearest name when there is none."""
    from luigi.task_register import Register

    own = {task.__name__: task for task in Register._get_reg().values() if task.__module__.startswith("pipeline.")}
    runnable = [known for known, task in own.items() if known in GOALS or getattr(task, "target", None)]
    if name not in runnable:
        raise UserError(f"There is no goal {name!r}; {homes.nearest(name, runnable)}. The goals: {', '.join(GOALS)}")
    task: type[Any] = own[name]
    return task


def _steps(goal: type[Any]) -> list[Step]:
    """The steps that a goal needs, itself included."""
    found: dict[str, Step] = {}
    waiting = [goal()]
    while waiting:
        task = waiting.pop()
        if task.task_id not in found:
            found[task.task_id] = task
            waiting += task.deps()
    return [task for task in found.values() if isinstance(task, Step)]


def _scheduled(arguments: argparse.Namespace, options: Settings) -> int:
    """Luigi's exit code.

    luigid gives a task to one of the runs that want it, and Luigi leaves when nothing is left for it: a run asks again
    until the others are done, or until five looks in a row found nobody at work (a scheduler that is paused).
    """
    if arguments.scheduler:
        arguments.scheduler = address(arguments.scheduler, options)
    _set_scheduler(arguments.scheduler)
    command = ["--module", "pipeline", arguments.goal, "--workers", str(arguments.workers or options.workers)]
    code = _luigi(command)
    quiet = 0
    while arguments.scheduler and code in LEFT_TO_OTHERS and quiet < 5:
        quiet = 0 if _others_run(arguments.scheduler) else quiet + 1
        time.sleep(0.2)
        code = _luigi(command)
    return code


def _luigi(command: list[str]) -> int:
    from luigi.retcodes import run_with_retcodes

    try:
        run_with_retcodes(command)
    except SystemExit as leave:
        return int(leave.code or 0)
    return 0


def _others_run(scheduler: str) -> bool:
    from luigi.rpc import RemoteScheduler, RPCError

    try:
        remote: Any = RemoteScheduler(scheduler)  # its methods are made at run time
        return bool(remote.task_list("RUNNING", ""))
    except RPCError:  # it is gone: the next attempt says so
        return False


def lacks_data_folder(options: Settings) -> bool:
    if options.data_dir.is_dir():
        return False
    print(f"There is no data folder {options.data_dir}. Create it, or set EDUFLOW_DATA_DIR.", file=sys.stderr)
    return True


def _set_scheduler(url: str | None) -> None:
    from luigi.configuration import get_config
    from luigi.interface import core

    if url and not url.startswith(SCHEME) and not _is_address(url):
        raise UserError(
            "--scheduler takes ui, the path of a socket, or the URL of a luigid, like http://127.0.0.1:8082; in a "
            "password in it each of "
            ": / ? # [ ] @ % is written as %3A %2F %3F %23 %5B %5D %40 %25"
        )
    get_config().set("core", "no_configure_logging", "true")
    get_config().set("core", "local_scheduler", "false" if url else "true")
    if url:
        get_config().set("core", "scheduler_url", url.replace("%", "%%"))
        # A luigid that is gone is given up in 10 s, not in 60; what is logged of each try holds the URL.
        for key, value in {"rpc_retry_wait": "5", "rpc_log_retries": "false"}.items():
            get_config().set("core", key, value)
            core.ignore_unconsumed.add(key)  # Luigi reads it elsewhere, and would warn


def _is_address(url: str) -> bool:
    """Whether it is a URL that can be split in one way only."""
    return bool(re.fullmatch(r"https?://([^@/?#\[\]]*@)?([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?(/[^@?#]*)?", url))


# --- while it runs --------------------------------------------------------------------------------------------------


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM end a verb at once: nothing half done, the attempt kept, one line.

    Python hears of a signal only when the statement under way has ended, which may take minutes. So a thread that the
    signal wakes cancels the statement.
    """

    try:
        before = signal.signal(signal.SIGTERM, _stop)
    except ValueError:  # not in the main thread
        yield
        return
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    former = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)

    def cancel() -> None:
        while (number := theirs.recv(1)[0]) != END:
            if number in (signal.SIGINT, signal.SIGTERM):
                cancel_statement()

    watcher = threading.Thread(target=cancel, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        signal.signal(signal.SIGTERM, before)
        ours.send(bytes([END]))  # closing would not do: a forked process may hold the same socket
        watcher.join()
        ours.close()
        theirs.close()


def _not_in_workers() -> None:
    """A forked worker dies of a signal as any process does, and wakes nobody in its parent."""
    if signal.getsignal(signal.SIGTERM) is _stop:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_not_in_workers)


class _Line(logging.Handler):
    """The last message, in one line of the terminal that the next one replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._write(shown(" ".join(record.getMessage().split()))[:width])

    def close(self) -> None:
        self._write("")
        super().close()

    @staticmethod
    def _write(line: str) -> None:
        """To the terminal itself, past the stream that lets no control character through."""
        out = terminal()
        out.write(f"\r\x1b[K{line}")
        out.flush()


def _once() -> Callable[[logging.LogRecord], bool]:
    """A filter: what stops several tasks is said once. A traceback is never the same."""
    said: set[str] = set()

    def first(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        repeated = message in said and not record.exc_info
        said.add(message)
        return not repeated

    return first


@contextlib.contextmanager
def _shown(*, verbose: bool) -> Iterator[None]:
    """Our own lines to standard output, Luigi's only when something is wrong."""
    live = sys.stdout.isatty() and not verbose
    handler: logging.Handler = _Line() if live else logging.StreamHandler(sys.stdout)
    log.handlers, log.propagate = ([handler] if live or verbose else [logging.NullHandler()]), False
    log.setLevel(logging.INFO)
    errors = logging.StreamHandler(sys.stderr)
    errors.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    if not verbose:  # the ending says what waits
        errors.addFilter(lambda record: not getattr(record, "waits", False))
        errors.addFilter(_once())
    luigi_log = logging.getLogger("luigi-interface")
    luigi_log.handlers, luigi_log.propagate = [errors], False
    luigi_log.setLevel(logging.WARNING)
    logging.getLogger("luigi").setLevel(logging.ERROR)
    try:
        yield
    finally:
        handler.close() if live else None


# --- the ending -----------------------------------------------------------------------------------------------------


def _finish(options: Settings, attempt: Attempt, *, verbose: bool) -> None:
    from pipeline.drops import datasets_without_a_file, waiting
    from pipeline.engine import sent_line

    if attempt.exit_code in (130, 143):
        print(
            f"Interrupted after {attempt.seconds:.1f} s; {attempt.built} targets are built and kept. Run again.",
            file=sys.stderr,
        )
        return
    if attempt.exit_code == 20:
        return
    with transaction(options) as db:
        state = read_state(db, options)
        changed = _changed(db)
        sent = sent_line(db, run_id(), options)
        if verbose and attempt.built:
            _print_everything(db)
    waits = waiting(state.drops, state.scan)
    if attempt.exit_code == 0 and not attempt.built:
        what = (
            f"{attempt.goal} is up to date, but not all that was given is in" if waits else "everything is up to date"
        )
        print(f"Nothing to do: {what}. {attempt.seconds:.1f} s")
    elif changed:
        print("What this run changed")
        print_table(changed, tuple(changed[0]))
    if sent:
        print(sent)
    told = [f"{path!r}: {why}" for path, why in state.scan.unmatched if (path, why) not in state.scan.waiting]
    _print_some("File that is no drop", told)
    if attempt.built and (missing := [n for n in datasets_without_a_file(state.taken) if not state.scan.of(n)]):
        print(f"No file yet for: {', '.join(missing)}")
    _print_some("Waits for you", list(map(str, waits)))
    if any(each.is_drop for each in waits):
        print("Look at a drop: eduflow account DROP. Settle it: eduflow approve DROP or refuse DROP, or send it again.")
    if state.scan.waiting:
        print(
            "A file that no dataset is called like: name it as said, take it away, or name it in the setting `ignore`."
        )
    if attempt.exit_code == 0 and not attempt.built:
        return
    good = f"{attempt.goal} is built, but not all that was given is in" if waits else "All good"
    ending = good if attempt.exit_code == 0 else f"Not all is well (exit code {attempt.exit_code})"
    made = {"Summary": "run_summary.md", "Report": "report.html"}
    there = {what: options.output_dir / name for what, name in made.items() if (options.output_dir / name).is_file()}
    where = ". ".join(f"{what}: {nearby(file)}" for what, file in there.items())
    print(f"\n{ending}: {attempt.built} targets built in {attempt.seconds:.1f} s. {where}".rstrip())


def _print_some(what: str, items: list[str]) -> None:
    for item in items[:MOST]:
        line = " ".join(item.split())
        print(f"{what}: {line if len(line) <= 300 else line[:299] + '…'}")
    if len(items) > MOST:
        print(f"{what}: {len(items) - MOST:,} more (eduflow status)")


def _changed(db: Any) -> list[dict[str, Any]]:
    """Per dataset, what this run landed and what that changed in staging."""
    from pipeline.datasets import DATASETS

    query = text("""
        select
            d.dataset, count(*) as files, coalesce(sum(d.rows), 0) as rows_read,
            coalesce(sum(d.rejected), 0) as rejected
        from etl.drops as d
        where greatest(d.landed_at, d.arrived_at) >= (select started_at from etl.runs where run_id = :run)
        group by d.dataset
    """)
    came = {row.dataset: row for row in db.execute(query, {"run": run_id()})}
    query = text("select target, changed, rows from etl.targets where run_id = :run and target like 'staging.%'")
    staged = {row.target: row for row in db.execute(query, {"run": run_id()})}
    found = []
    for name, dataset in DATASETS.items():
        arrived, table = came.get(name), staged.get(f"staging.{dataset.table}")
        if arrived or (table and table.changed):
            found.append(
                {
                    "dataset": name,
                    "files": arrived.files if arrived else 0,
                    "rows read": f"{arrived.rows_read if arrived else 0:,}",
                    "rejected": f"{arrived.rejected if arrived else 0:,}",
                    "rows changed": f"{table.changed if table else 0:,}",
                    "rows now": f"{table.rows:,}" if table else "as before",
                }
            )
    return found


def _print_everything(db: Any) -> None:
    from pipeline.outputs.summary import ACCOUNT, balance, table_rows

    print("\nBalance per drop: read = current + superseded + duplicate + rejected")
    print_table(balance(db), [name for name in ACCOUNT if name not in ("path", "open_rejects")])
    tables = table_rows(db)
    print("\nRows per layer")
    for layer in dict.fromkeys(name.split(".")[0] for name in tables):
        of_layer = [f"{name.split('.')[1]} {rows:,}" for name, rows in tables.items() if name.startswith(layer + ".")]
        print(f"  {layer:10} {', '.join(of_layer)}")
    print()
