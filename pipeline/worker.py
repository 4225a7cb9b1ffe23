"""The Luigi worker of this program: it runs only what it scheduled itself, and forks only for long tasks.

Luigi's own worker imports whatever module a scheduler names and runs any task in it: who answers at the scheduler's
address runs code as this user. Ours refuses a task that it did not schedule.

With several workers Luigi forks for every task. A fork has no connection, no compiled SQL and a cold server process:
50 ms and more, when most tasks of a small school take 10 ms; the sample took twice as long with two workers as with
one. So a short task runs in this process, beside the long ones that were forked before it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
from typing import Any

import luigi
import luigi.worker
from luigi.task_status import DONE

from pipeline.run import this_run
from targets.errors import UserError


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

    def _add_task(self, *arguments: Any, **task: Any) -> None:
        """Tell the scheduler. What was complete at first and has moved on since is not: the exit code would say so."""
        if task["status"] != DONE:
            former = (task["task_id"], DONE)
            self._add_task_history = [one for one in self._add_task_history if (one[0].task_id, one[1]) != former]
        super()._add_task(*arguments, **task)

    def _create_task_process(self, task: luigi.Task) -> luigi.worker.TaskProcess:
        self._task_completion_cache = None  # what was complete may have moved on
        process: luigi.worker.TaskProcess = super()._create_task_process(task)
        if process.use_multiprocessing and not worth_a_fork(task):
            process.use_multiprocessing = False
        # A step looks itself, under its locks, at what it reads; afterwards another process may have moved that on.
        process.check_unfulfilled_deps = process.check_complete_on_run = False
        if process.use_multiprocessing:
            before_fork()
            this_run().forked = True
        return process


def worth_a_fork(task: luigi.Task) -> bool:
    """What the task says of itself; a goal only waits."""
    if isinstance(task, luigi.WrapperTask):
        return False
    asked = getattr(task, "worth_a_fork", None)
    return asked() if asked else True


def before_fork() -> None:
    """Do once, for all forks, what each of them would: the tables, while a thread imports."""
    run = this_run()
    if run.is_prepared and "pandas" in sys.modules:
        return
    importing = threading.Thread(target=_import)
    importing.start()
    with contextlib.suppress(Exception):  # the fork says why
        run.prepare()
    importing.join()


def _import() -> None:
    """What nearly every long task needs and no short run does: half a second."""
    import pandas as pd
    import pyarrow as pa

    pa.array([0]).to_pandas(types_mapper=pd.ArrowDtype)  # Arrow imports its own part at the first array


def _die_with_parent(parent: int) -> None:
    """Luigi's workers, and the manager process beside them, must not outlive a killed parent: they would go on
    writing, and hold the embedded server's lease for ever."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


# The collector writes to every object that it looks at: a worker would copy all that its parent holds.
os.register_at_fork(after_in_child=gc.freeze)
if sys.platform == "linux":
    _parent = [os.getpid()]
    os.register_at_fork(
        before=lambda: _parent.__setitem__(0, os.getpid()), after_in_child=lambda: _die_with_parent(_parent[0])
    )

luigi.worker.Worker = Worker  # type: ignore[misc] # Luigi has no setting for it
