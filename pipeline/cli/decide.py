"""Verbs that decide: verify, forget, approve, refuse, retract."""

from __future__ import annotations

import argparse

from pipeline.config import Settings
from pipeline.run import read_state, transaction
from targets.errors import UserError


def verify(_arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with transaction(options) as db:
        damage = audit.verify(db, read_state(db, options))
    for found in damage:
        print(f"damaged: {found.what}")
    print("Forgotten; the next run repairs it." if damage else "Data and ledger agree.")
    return 1 if damage else 0


def forget(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with transaction(options) as db:
        for target in audit.forget_target(db, arguments.target):
            print(f"forgotten: {target}")
    return 0


def approve(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with transaction(options) as db:
        print(audit.approve_drop(db, arguments.drop))
    return 0


def retract(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with transaction(options) as db:
        print(audit.retract_drop(db, arguments.drop))
    return 0


def refuse(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import audit

    with transaction(options) as db:
        if arguments.line is None and arguments.undo:
            raise UserError(
                f"--undo is for one row (--line N); a whole drop is taken back by: approve {arguments.drop}"
            )
        if arguments.line is None:
            print(audit.refuse_drop(db, arguments.drop))
        elif arguments.undo:
            print(audit.unrefuse_row(db, arguments.drop, arguments.line))
        else:
            print(audit.refuse_row(db, arguments.drop, arguments.line))
    return 0
