"""Waiting for what must come, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(met: Callable[[], object], seconds: float = 60) -> None:
    """Return as soon as it is met; AssertionError when it is not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"not met in {seconds} s"
        time.sleep(0.01)
