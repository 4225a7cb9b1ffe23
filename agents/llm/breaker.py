"""A circuit breaker: when call after call fails, the rest of a run doesn't wait for more of the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

CLOSED, HALF_OPEN, OPEN = 0, 1, 2


@dataclass
class Breaker:
    """Opens after so many failures in a row; after the cool-down (seconds) lets one call through to see."""

    after: int
    cooldown: float
    clock: Callable[[], float] = time.monotonic
    state: int = CLOSED
    failures: int = field(default=0, init=False)
    opened_at: float = field(default=0.0, init=False)

    def allows(self) -> bool:
        """Whether a call may be made now. Who gets a yes must report `succeeded` or `failed`."""
        if self.state != CLOSED and self.clock() - self.opened_at >= self.cooldown:
            # half open is left after a cool-down as well: whoever was let through may never have reported
            self.state, self.opened_at = HALF_OPEN, self.clock()
            return True
        return self.state == CLOSED

    def succeeded(self) -> None:
        self.state, self.failures = CLOSED, 0

    def failed(self) -> None:
        self.failures += 1
        if self.state == HALF_OPEN or self.failures >= self.after:
            self.trip()

    def trip(self) -> None:
        """Opens at once: what went wrong will go wrong again."""
        self.state, self.opened_at = OPEN, self.clock()
