"""Ctrl-C and SIGTERM: a verb ends at once, also in the middle of a statement."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

from pipeline.run import cancel_statement

END = 0  # no signal has this number


class Terminated(KeyboardInterrupt):
    """SIGTERM: a service manager wants the run to end."""


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
