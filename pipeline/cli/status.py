"""status: how EduFlow stands, in ten lines, and as an exit code that a monitor can use."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from pipeline.attempts import GOING_ON
from pipeline.cli.tables import print_json
from pipeline.config import Settings
from pipeline.drops import waiting
from pipeline.outputs.intake import waiting_kinds
from pipeline.run import read_state, transaction

MOST = 4
KILLED = "killed"
# Without those of a clock that was ahead: one of 2049 would be the last attempt, and never late, until then.
RUNS = "with runs as (select * from etl.runs where started_at <= clock_timestamp() + interval '1 hour')"


def status(arguments: argparse.Namespace, options: Settings) -> int:
    """Exit code 0: the last attempt was good, and recent, and nothing waits. 30: it failed, or something waits.
    25: there was none, or none in the last --max-age hours (a timer that stopped)."""
    with transaction(options) as db:
        facts = facts_of(db, options)
    late = facts["hours_since_attempt"] is None or facts["hours_since_attempt"] > arguments.max_age
    last = facts["last_attempt"]
    bad = last is not None and (last["exit_code"] not in (0, None) or last["status"] in ("failed", KILLED))
    code = 30 if bad or any(facts["waiting"].values()) else 25 if late else 0
    if arguments.json:
        print_json({**facts, "late": late, "exit_code": code})
        return code
    print("\n".join(lines(facts, late=late)))
    return code


def facts_of(db: Connection, options: Settings) -> dict[str, Any]:
    """What a monitor wants to know; times in UTC."""
    state = read_state(db, options)
    last = db.execute(
        text(f"""
            {RUNS}
            select
                run_id, goal, started_at, ended_at, exit_code, built, landed,
                case when status = 'running' and not exists (
                    select from pg_locks as l
                    where l.locktype = 'advisory' and l.objsubid = 2 and l.classid::bigint = :going_on
                    and l.objid::bigint = hashtext(run_id)::bigint & 4294967295
                ) then :killed else status end as status
            from runs order by started_at desc limit 1
        """),
        {"going_on": GOING_ON, "killed": KILLED},
    ).one_or_none()
    seen = db.execute(
        text(f"""
            {RUNS}
            select
                (select max(ended_at) from runs where exit_code = 0) as success,
                (select max(greatest(landed_at, arrived_at)) from etl.drops) as new_data,
                (select count(*) from etl.drops) as drops,
                (
                    select count(*) from runs as r
                    where r.exit_code <> 0
                        and not exists (select from runs where exit_code = 0 and started_at > r.started_at)
                ) as failed_since
        """)
    ).one()
    now = datetime.now(UTC)
    return {
        "home": options.home.name,
        "folder": str(options.home.folder),
        "database": str(options.database),
        "last_attempt": dict(last._mapping) if last else None,
        "hours_since_attempt": round((now - (last.ended_at or last.started_at)).total_seconds() / 3600, 2)
        if last
        else None,
        "last_success": seen.success,
        "failed_since": seen.failed_since,
        "last_new_data": seen.new_data,
        "drops": seen.drops,
        "waiting": waiting_kinds(state),
        "waiting_for": [str(each) for each in waiting(state.drops, state.scan)],
    }


def lines(facts: dict[str, Any], *, late: bool) -> list[str]:
    """At most ten lines and those of what waits."""
    last = facts["last_attempt"]
    found = [f"home          {facts['home']} ({facts['folder']})", f"database      {facts['database']}"]
    if last is None:
        return [*found, "last attempt  none yet: eduflow run"]
    how = (
        f"exit code {last['exit_code']}, {last['status']}"
        if last["exit_code"] is not None
        else f"{last['status']}, has not ended"
    )
    found.append(
        f"last attempt  {_ago(last['ended_at'] or last['started_at'])}: {how}, {last['built'] or 0} targets built"
    )
    since = f"; {facts['failed_since']} attempts failed since" if facts["failed_since"] else ""
    found.append(f"last good     {_ago(facts['last_success'])}{since}")
    found.append(f"new data      {_ago(facts['last_new_data'])}; {facts['drops']:,} drops in all")
    if late:
        found.append("LATE          no attempt in the expected time: does the timer run?")
    waiting = facts["waiting_for"]
    found.append(f"waits for you {len(waiting) or 'nothing'}")
    for item in waiting[:MOST]:
        line = " ".join(item.split())
        found.append(f"  {line if len(line) <= 160 else line[:159] + '…'}")
    if len(waiting) > MOST:
        found.append(f"  and {len(waiting) - MOST:,} more: eduflow account")
    return found


def _ago(when: datetime | None) -> str:
    if when is None:
        return "never"
    minutes = (datetime.now(UTC) - when).total_seconds() / 60
    ago = (
        f"{minutes:.0f} minutes"
        if minutes < 120
        else f"{minutes / 60:.0f} hours"
        if minutes < 2880
        else f"{minutes / 1440:.0f} days"
    )
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC ({ago} ago)"
