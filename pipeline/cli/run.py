"""run: Luigi in-process, its exit codes, our lines instead of its log.

On a terminal one line shows how far the run is; it ends with what changed, what waits for a person and what to do.
`--verbose` adds a line per target, the account of every drop and the rows of every table.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import time
from typing import Any

from sqlalchemy.exc import DBAPIError

from pipeline import attempts
from pipeline import home as homes
from pipeline.attempts import Attempt
from pipeline.cli.ending import print_ending
from pipeline.cli.lines import lines_shown
from pipeline.cli.signals import Terminated, stoppable
from pipeline.cli.verbs import GOALS
from pipeline.config import Settings
from pipeline.run import begin_run, read_state, this_run, transaction
from pipeline.scheduler import SCHEME, address
from pipeline.step import Step
from targets.artifact import ArtifactError
from targets.errors import UserError
from targets.postgres.connection import DatabaseError

LEFT_TO_OTHERS = (10, 25)  # Luigi's exit codes: run by another worker, not run


def run(arguments: argparse.Namespace, options: Settings) -> int:
    """Build the goal. The attempt is kept, however it ends."""
    started = time.perf_counter()
    goal = _goal(arguments.goal)
    begin_run()
    code, reached = 40, False
    with contextlib.ExitStack() as going:
        try:
            with stoppable(), lines_shown(verbose=arguments.verbose):
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
        print_ending(options, attempt, verbose=arguments.verbose)
    return code


def _built(arguments: argparse.Namespace, options: Settings, goal: type[Any]) -> int:
    with transaction(options) as db:
        if said := homes.mixed(db, options.data_dir):
            raise UserError(said)
        state = read_state(db, options)
        this_run().count_steps(sum(not step.is_current(state) for step in _steps(goal)))
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
