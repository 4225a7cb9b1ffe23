"""The verbs of the command line: their words, options, one sentence and one example each."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from pipeline.datasets import KINDS
from pipeline.version import __version__

GOALS = ("EduFlow", "Outputs", "Marts", "Opinions", "Warehouse", "Clean", "Ingest")

EXIT_CODES = """\
exit codes:
  0 good                   1 refused or impossible; one line says why
  2 no such word           20 no data folder
  25 not run, or late      30 a task failed, or something waits for a person
  35 scheduling            40 unhandled
  130 Ctrl-C               143 ended by SIGTERM
"""


class Parser(argparse.ArgumentParser):
    """Refuses an unknown word in one line that names the nearest right one."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        self.exit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            words = list(map(str, action.choices))
            near = difflib.get_close_matches(str(value), words, 1)
            advice = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(words)}"
            raise argparse.ArgumentError(action, f"unknown {action.metavar or action.dest} {value!r}; {advice}")


def parser() -> Parser:
    top = Parser(
        prog="eduflow",
        description="EduFlow: messy school files in, star schema out.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("-C", dest="home", metavar="FOLDER", type=Path, help="the home (default: the one you are in)")
    top.add_argument("--version", action="version", version=f"eduflow {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    def verb(name: str, where: str, sentence: str, example: str) -> argparse.ArgumentParser:
        """A verb done by function `name` of module pipeline.cli.<where>, which is imported when it is needed."""
        added = verbs.add_parser(name, help=sentence, description=sentence, epilog=f"Example: eduflow {example}")
        added.set_defaults(do=lambda *given: getattr(importlib.import_module(f"pipeline.cli.{where}"), name)(*given))  # noqa: PLW0108
        return added

    _running(verb)
    _showing(verb)
    _deciding(verb)
    return top


Verb = Callable[[str, str, str, str], argparse.ArgumentParser]


def _running(verb: Verb) -> None:
    added = verb("run", "run", "build what is not up to date", "run --workers 2")
    added.add_argument("goal", nargs="?", default="EduFlow", help=f"{', '.join(GOALS)} or any task (default EduFlow)")
    added.add_argument("--workers", type=count, help="Luigi worker processes")
    added.add_argument("--verbose", action="store_true", help="also a line per target, every drop and every table")
    added.add_argument("--new", action="store_true", help="start anew when the database of this home is empty")
    sentence = "ui (started by `eduflow ui`), the path of a socket, or the URL of a luigid (default: in-process)"
    added.add_argument("--scheduler", metavar="WHICH", help=sentence)
    sentence = "a central scheduler for the runs of this home, and its page for your browser"
    added = verb("ui", "ui", sentence, "ui --port 8082")
    added.add_argument("--port", type=port, default=8082, help="of the page (default 8082; 0: any)")
    added.add_argument("--socket", type=Path, metavar="PATH", help="for the runs (default: in the home)")
    added.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1", help="of the page (default loopback)")
    sentence = "make a folder the home of a school: its data, output, settings and database"
    added = verb("init", "home", sentence, "init ~/hill-school")
    added.add_argument("folder", type=Path, metavar="FOLDER")
    added.add_argument("--adopt", action="store_true", help="take the place of the home that filled the database")
    sentence = "how the last attempt ended and what waits, with an exit code for a monitor"
    added = verb("status", "status", sentence, "status --json")
    with_json(added)
    added.add_argument("--max-age", type=count, default=26, metavar="HOURS", help="an older attempt is late (26)")
    sentence = "write what can't be made again (raw, the ledger, decisions) into one file"
    verb("backup", "home", sentence, "backup hill-2027-01-31.sql.gz").add_argument("file", type=Path, metavar="FILE")
    sentence = "load a backup into an empty database; the next run builds the tables"
    verb("restore", "home", sentence, "restore hill-2027-01-31.sql.gz").add_argument("file", type=Path, metavar="FILE")
    added = verb("purge", "home", "remove the database of the home with every decision, and the outputs", "purge")
    added.add_argument("--yes", action="store_true", help="do not ask for the name of the home (for scripts)")


def _showing(verb: Verb) -> None:
    with_json(verb("plan", "inspect", "what would run, and why; runs nothing", "plan"))
    added = verb("account", "inspect", "the balance of every drop; of one drop with its rules and rejects", "account 7")
    added.add_argument("drop", nargs="?", type=count)
    with_json(added)
    sentence = "one record's way: file, line, rules, staging, dimension, facts (shows its values)"
    added = verb("trace", "inspect", sentence, "trace student STU003")
    added.add_argument("kind", choices=sorted(KINDS))
    added.add_argument("key", help="in any form that a file may have it: 3 and stu-003 are STU003")
    with_json(added)
    sentence = "a student's risk: every factor, and the smallest change that would lower it"
    added = verb("explain", "inspect", sentence, "explain STU013")
    added.add_argument("student", help="in any form that a file may have it")
    with_json(added)
    added = verb("sql", "sql", "run a query (read only) and print a table", 'sql "select * from analytics.student_360"')
    added.add_argument("query", help="one statement; - reads it from standard input")
    with_rows(added)
    added = verb("show", "sql", "print a mart, like class_daily_performance, by its key", "show student_360 --limit 5")
    added.add_argument("mart")
    added.add_argument("--limit", type=count, help="only the first so many rows")
    with_rows(added)
    with_json(verb("check", "inspect", "what the checks of each layer found last", "check"))
    sentence = "write docs/: what every file, table and column holds and is made from"
    added = verb("dictionary", "inspect", sentence, "dictionary --to /tmp/docs")
    added.add_argument("--to", metavar="FOLDER", type=Path, help="another folder than docs/ of the home")


def _deciding(verb: Verb) -> None:
    sentence = "accept a held drop, or one that was refused or retracted"
    verb("approve", "decide", sentence, "approve 7").add_argument("drop", type=count)
    sentence = "take an accepted drop back, as if it had never come"
    verb("retract", "decide", sentence, "retract 7").add_argument("drop", type=count)
    sentence = "settle a refused or held drop, or one rejected row of a drop"
    added = verb("refuse", "decide", sentence, "refuse 7 --line 12")
    added.add_argument("drop", type=count)
    added.add_argument("--line", type=count, help="the line of a rejected row")
    added.add_argument("--undo", action="store_true", help="with --line: the row is open again")
    sentence = "recount the data against the ledger; forget what is damaged"
    verb("verify", "decide", sentence, "verify")
    sentence = "build a target, and what is made from it, again next time"
    verb("forget", "decide", sentence, "forget analytics.student_360").add_argument("target")


def with_json(added: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    added.add_argument("--json", action="store_true", help="the same as JSON, for programs")


def with_rows(added: argparse.ArgumentParser) -> None:
    """Rows in other forms than a table: one at a time."""
    forms = added.add_mutually_exclusive_group()
    forms.add_argument("--csv", action="store_true", help="CSV with a header, for pipes")
    with_json(forms)


def names() -> list[str]:
    actions = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return list(actions.choices)


def port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 62:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)
