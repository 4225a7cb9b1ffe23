"""The Luigi worker of this program: it runs only what it scheduled itself, and forks only for long tasks.

Luigi's own worker imports whatever module a scheduler names and runs any task in it: who answers at the scheduler's
address runs code as this user. Ours refuses a task that it did not schedule.

With several workers Luigi forks for every task. A fork has no connection, no compiled SQL and a cold server process:
50 ms and more, when most tasks of a small school take 10 ms; the sample took twice as long with two workers as with
one. So a short task runs in this process, beside the long ones that were forked before it.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any

import luigi
import luigi.worker

from pipeline.config import settings
from pipeline.step import UserError, is_prepared, prepare


class Worker(luigi.worker.Worker):
    """Takes the place of `luigi.worker.Worker`, for every way to start a run."""

    def run(self) -> bool:
        """Run what was scheduled. Of a run that plain Luigi started, the attempt is kept here."""
        from pipeline import attempts

        first = self._scheduled_tasks.get(self._first_task)
        if first is None:
            return bool(super().run())
        return attempts.of_luigi(super().run, first.task_family)

    def _get_work_task_id(self, get_work_response: dict[str, Any]) -> str | None:
        """The task to run now. Luigi loads one that is not among `_scheduled_tasks`, by any module's name."""
        task_id: str | None = get_work_response.get("task_id")
        named = task_id is not None or "batch_id" in get_work_response
        if named and task_id not in self._scheduled_tasks:
            raise UserError("The scheduler names a task that this run did not ask for: refused. Is it your scheduler?")
        return task_id

    def _run_task(self, task_id: str) -> None:
        """Run it. What was run in this process is told at once: else the scheduler would be asked for more before it
        knows what has become ready."""
        super()._run_task(task_id)
        process = self._running_tasks.get(task_id)
        if process and not process.use_multiprocessing:
            self._handle_next_task()

    def _create_task_process(self, task: luigi.Task) -> luigi.worker.TaskProcess:
        process: luigi.worker.TaskProcess = super()._create_task_process(task)
        if process.use_multiprocessing and not worth_a_fork(task):
            process.use_multiprocessing = False
        if process.use_multiprocessing:
            before_fork()
        return process


def worth_a_fork(task: luigi.Task) -> bool:
    """What the task says of itself; a goal only waits."""
    if isinstance(task, luigi.WrapperTask):
        return False
    asked = getattr(task, "worth_a_fork", None)
    return asked() if asked else True


def before_fork() -> None:
    """Do once, for all forks, what each of them would: the tables, while a thread imports."""
    options = settings()
    if is_prepared(options) and "pandas" in sys.modules:
        return
    importing = threading.Thread(target=_import)
    importing.start()
    with contextlib.suppress(Exception):  # the fork says why
        prepare(options)
    importing.join()


def _import() -> None:
    """What nearly every long task needs and no short run does: half a second."""
    import pandas as pd
    import pyarrow as pa

    pa.array([0]).to_pandas(types_mapper=pd.ArrowDtype)  # Arrow imports its own part at the first array


luigi.worker.Worker = Worker  # type: ignore[misc] # Luigi has no setting for it
