"""Locks of targets: one process writes a target, and what it is made from stands still meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, text


def lock_key(target: str) -> int:
    return int.from_bytes(hashlib.sha256(target.encode()).digest()[:8], signed=True)


def lock(db: Connection, target: str, inputs: Sequence[str]) -> None:
    """Take the target's lock exclusively and its inputs' shared, until the transaction ends.

    Always in one order over all names, so that two builders never wait for each other.
    """
    names = sorted({target, *inputs})
    db.execute(
        text("""
            select case
                when exclusive then pg_advisory_xact_lock(key)::text else pg_advisory_xact_lock_shared(key)::text
            end
            from (
                select key, exclusive
                from unnest(cast(:keys as bigint []), cast(:exclusive as boolean []))
                    with ordinality as l (key, exclusive, place)
                order by place
            ) as in_order
        """),
        {"keys": [lock_key(name) for name in names], "exclusive": [name == target for name in names]},
    )
