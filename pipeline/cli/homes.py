"""Verbs about homes: init."""

from __future__ import annotations

import argparse

from pipeline import home as homes
from pipeline.config import settings, use
from pipeline.step import UserError


def init(arguments: argparse.Namespace) -> int:
    home, made = homes.make(arguments.folder)
    if arguments.adopt:
        _adopt(home)
    elif made:
        print(f"{home.folder} is the home of {home.name}. Made: {', '.join(made)}")
        print(f"Next: put the school's files into {home.folder / 'data'}, then: eduflow -C '{home.folder}' run")
    else:
        print(f"{home.folder} is a home already ({home.name}); nothing was changed.")
    return 0


def _adopt(home: homes.Home) -> None:
    """Take over the database of a home that is gone."""
    import os

    os.environ["EDUFLOW_HOME"] = str(home.folder)
    use(home)
    with settings().database.transaction() as db:
        owner = homes.owner(db)
    if owner is None:
        raise UserError(f"The database ({settings().database}) belongs to no home yet: eduflow run claims it.")
    home.adopt(owner.home_id)
    print(f"{home.folder} is now the home of the database of {owner.name!r}.")
