"""The ledger's row per target: what it was made from, and by which build."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from targets.parts import Parts


@dataclass(frozen=True)
class Record:
    """fingerprint None: forgotten, or never built. `present`: its table is there, and ours (true of what has none)."""

    target: str
    fingerprint: str | None = None
    parts: Parts = field(default_factory=dict)
    build: int = 0
    full_build: int = 0
    consumed: dict[str, int] = field(default_factory=dict)
    content: str | None = None
    rows: int | None = None
    changed: int | None = None
    present: bool = True


def read_records(db: Connection) -> dict[str, Record]:
    rows = db.execute(
        text("""
            select
                target, fingerprint, t.parts, build, full_build, consumed, content, rows, changed,
                case
                    when target like '%/%' then true
                    when o.oid is null then to_regclass(target) is not null
                    else o.oid is not distinct from to_regclass(target)::oid
                end as present
            from etl.targets as t left join etl.objects as o on t.target = o.name
        """)
    )
    return {row.target: Record(**row._mapping) for row in rows}


def write_record(db: Connection, record: Record, *, seconds: float, run_id: str, why: str) -> None:
    db.execute(
        text("""
            insert into etl.targets (
                target, fingerprint, parts, build, full_build, consumed, content, rows, changed,
                seconds, run_id, why, built_at
            )
            values (
                :target, :fingerprint, :parts, :build, :full_build, :consumed, :content, :rows, :changed,
                :seconds, :run_id, :why, clock_timestamp()
            )
            on conflict (target) do update set
                fingerprint = excluded.fingerprint, parts = excluded.parts, build = excluded.build,
                full_build = excluded.full_build, consumed = excluded.consumed, content = excluded.content,
                rows = excluded.rows, changed = excluded.changed, seconds = excluded.seconds,
                run_id = excluded.run_id, why = excluded.why, built_at = excluded.built_at
        """),
        {
            "target": record.target,
            "fingerprint": record.fingerprint,
            "parts": json.dumps(record.parts),
            "build": record.build,
            "full_build": record.full_build,
            "consumed": json.dumps(record.consumed),
            "content": record.content,
            "rows": record.rows,
            "changed": record.changed,
            "seconds": round(seconds, 3),
            "run_id": run_id,
            "why": why,
        },
    )


def forget(db: Connection, targets: list[str], why: str) -> None:
    """Forget how these targets were made, so that the next run builds them in full."""
    db.execute(
        text("update etl.targets set fingerprint = null, why = :why where target = any(:targets)"),
        {"targets": targets, "why": why},
    )
