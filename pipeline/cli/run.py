"""run: Luigi in-process, its exit codes, our lines instead of its log."""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
from typing import Any

from pipeline.cli.tables import nearby, print_table
from pipeline.config import Settings
from pipeline.step import UserError, begin_run, ledger, log, look, note_run, run_id

LEFT_TO_OTHERS = (10, 25)  # Luigi's exit codes: run by another worker, not run


def run(arguments: argparse.Namespace, options: Settings) -> int:
    """Luigi in-process: its exit codes, our lines instead of its log.

    luigid gives a task to one of the runs that want it, and Luigi leaves when nothing is left for it: a run asks again
    until the others are done, or until five looks in a row found nobody at work (a scheduler that is paused).
    """
    started = time.perf_counter()
    _show_progress()
    begin_run()
    if lacks_data_folder(options):
        return 20
    if arguments.new:
        options.home.forget_databases()
    with ledger(options) as db:
        look(db, options)
    _set_scheduler(arguments.scheduler)
    command = ["--module", "pipeline", arguments.goal, "--workers", str(arguments.workers or options.workers)]
    code = _luigi(command)
    quiet = 0
    while arguments.scheduler and code in LEFT_TO_OTHERS and quiet < 5:
        quiet = 0 if _others_run(arguments.scheduler) else quiet + 1
        time.sleep(0.2)
        code = _luigi(command)
    _finish(options, code, time.perf_counter() - started)
    return code


def _luigi(command: list[str]) -> int:
    from luigi.retcodes import run_with_retcodes

    try:
        run_with_retcodes(command)
    except SystemExit as leave:
        return int(leave.code or 0)
    return 0


def _others_run(scheduler: str) -> bool:
    from luigi.rpc import RemoteScheduler, RPCError

    try:
        remote: Any = RemoteScheduler(scheduler)  # its methods are made at run time
        return bool(remote.task_list("RUNNING", ""))
    except RPCError:  # it is gone: the next attempt says so
        return False


def lacks_data_folder(options: Settings) -> bool:
    if options.data_dir.is_dir():
        return False
    print(f"There is no data folder {options.data_dir}. Create it, or set EDUFLOW_DATA_DIR.", file=sys.stderr)
    return True


def _set_scheduler(url: str | None) -> None:
    from luigi.configuration import get_config
    from luigi.interface import core

    if url and not _is_address(url):
        raise UserError(
            "--scheduler takes the URL of a luigid, like http://127.0.0.1:8082; in a password in it each of "
            ": / ? # [ ] @ % is written as %3A %2F %3F %23 %5B %5D %40 %25"
        )
    get_config().set("core", "no_configure_logging", "true")
    get_config().set("core", "local_scheduler", "false" if url else "true")
    if url:
        get_config().set("core", "scheduler_url", url.replace("%", "%%"))
        # A luigid that is gone is given up in 10 s, not in 60; what is logged of each try holds the URL.
        for key, value in {"rpc_retry_wait": "5", "rpc_log_retries": "false"}.items():
            get_config().set("core", key, value)
            core.ignore_unconsumed.add(key)  # Luigi reads it elsewhere, and would warn


def _is_address(url: str) -> bool:
    """Whether it is a URL that can be split in one way only."""
    return bool(re.fullmatch(r"https?://([^@/?#\[\]]*@)?([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?(/[^@?#]*)?", url))


def _show_progress() -> None:
    """Our own lines to standard output, Luigi's only when something is wrong."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    errors = logging.StreamHandler(sys.stderr)
    errors.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    luigi_log = logging.getLogger("luigi-interface")
    luigi_log.handlers, luigi_log.propagate = [errors], False
    luigi_log.setLevel(logging.WARNING)
    logging.getLogger("luigi").setLevel(logging.ERROR)


def _finish(options: Settings, code: int, seconds: float) -> None:
    from pipeline.drops import datasets_without_a_file
    from pipeline.engine import sent_line
    from pipeline.reports import ACCOUNT, balance, rebuilt, table_rows

    with ledger(options) as db:
        built = rebuilt(db, run_id())
        if code == 0 and built:
            note_run(db, "ok")
        drops = balance(db)
        tables = table_rows(db)
        state = look(db, options)
        sent = sent_line(db, run_id(), options)
    if code == 0 and not built:
        print(f"Nothing to do: everything is up to date. {seconds:.1f} s")
        return
    if sent:
        print(f"\n{sent}")
    for path, why in state.scan.unmatched:
        print(f"no drop: {path!r}: {why}")
    if missing := [name for name in datasets_without_a_file(state.drops) if not state.scan.of(name)]:
        print(f"no file yet for: {', '.join(missing)}")
    print("\nBalance per drop: read = current + superseded + duplicate + rejected")
    print_table(drops, [name for name in ACCOUNT if name not in ("path", "open_rejects")])
    print("\nRows per layer")
    for layer in dict.fromkeys(name.split(".")[0] for name in tables):
        of_layer = [f"{name.split('.')[1]} {rows:,}" for name, rows in tables.items() if name.startswith(layer + ".")]
        print(f"  {layer:10} {', '.join(of_layer)}")
    ending = "All good" if code == 0 else f"Not all is well (exit code {code})"
    made = {"Summary": "run_summary.md", "Report": "report.html"}
    there = {what: options.output_dir / name for what, name in made.items() if (options.output_dir / name).is_file()}
    where = ". ".join(f"{what}: {nearby(file)}" for what, file in there.items())
    print(f"\n{ending}: {len(built)} targets built in {seconds:.1f} s. {where}".rstrip())
