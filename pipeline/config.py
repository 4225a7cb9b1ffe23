"""Configuration: `[eduflow]` of luigi.cfg; EDUFLOW_<KEY> in the environment, or in `.env`, wins.

It enters here, at the edge, and travels as plain arguments: importing a module reads nothing.
"""

from __future__ import annotations

import configparser
import functools
import io
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import luigi
from dotenv import dotenv_values
from dotenv.parser import parse_stream
from luigi.cmdline_parser import CmdlineParser
from luigi.parameter import UnconsumedParameterWarning

from init_db.cluster import READER
from pipeline import home as homes
from pipeline.definitions import GUARD
from pipeline.home import CODE as PROJECT
from pipeline.home import ConfigError, Home, nearest
from targets.postgres.connection import Database, holds_secret

__all__ = ["PROJECT", "ConfigError", "Settings", "settings", "use"]

# EDUFLOW_... that are no keys of [eduflow]: secrets and places
BESIDE = ("EDUFLOW_DATABASE", "EDUFLOW_READER", "EDUFLOW_HOME", "EDUFLOW_UID", "EDUFLOW_GID")
KEY = "GROQ_API_KEY"
SHARES = (
    *("guard_overlap", "guard_growth", "guard_nulls", "guard_rejects", "guard_codes"),
    *("guard_missing", "guard_rejected", "guard_repeated", "guard_unread"),
)


class eduflow(luigi.Config):  # the section is called after the class
    """Keys of `[eduflow]`. The database URL is not one: it may hold a password (EDUFLOW_DATABASE, or .env)."""

    data_dir = luigi.Parameter(default="data", description="where the source files are")
    output_dir = luigi.Parameter(default="output", description="where the artifacts go")
    database_dir = luigi.Parameter(default="", description="embedded cluster; empty = .eduflow/pg")
    as_of = luigi.Parameter(default="", description="YYYY-MM-DD; empty = the latest day with two active students")
    reader_roles = luigi.Parameter(
        default="", description="database roles that may read warehouse and analytics, separated by commas"
    )
    workers = luigi.Parameter(default="1", description="Luigi worker processes of `eduflow run`")
    chunk_rows = luigi.Parameter(default="100000", description="rows cleaned at a time")
    sql_timeout = luigi.Parameter(default="300", description="seconds that a query of `sql` or `show` may take")
    require_ssl = luigi.Parameter(default="off", description="on: a database of another machine is reached by TLS only")
    encoding = luigi.Parameter(
        default="", description="what text that is not UTF-8 is read as; empty = the declaration's"
    )
    phone_country_code = luigi.Parameter(default="91", description="country code of phone numbers")
    phone_digits = luigi.Parameter(default="10", description="digits of a phone number without country code")
    attendance_status = luigi.Parameter(
        default="PRESENT,ABSENT,LATE,EXCUSED",
        description="what a register may say: PRESENT, ABSENT and any of the others",
    )
    guard_overlap = luigi.Parameter(
        default=str(GUARD.overlap), description="least share of a snapshot's keys that the next one names"
    )
    guard_growth = luigi.Parameter(
        default=str(GUARD.growth), description="most rows of a snapshot, as a multiple of the one before"
    )
    guard_nulls = luigi.Parameter(
        default=str(GUARD.nulls), description="most by which the share of NULLs in a column may rise"
    )
    guard_rejects = luigi.Parameter(
        default=str(GUARD.rejects), description="most by which the share of rejected rows may rise"
    )
    guard_codes = luigi.Parameter(
        default=str(GUARD.codes), description="most of the rows whose code the drop before did not have"
    )
    guard_missing = luigi.Parameter(
        default=str(GUARD.missing), description="share of a roster's students whose absence holds it"
    )
    guard_class = luigi.Parameter(
        default=str(GUARD.class_size), description="students from which a class that is gone holds a roster; 0 = never"
    )
    guard_rejected = luigi.Parameter(
        default=str(GUARD.rejected), description="most of a drop's rows that may be rejected"
    )
    guard_repeated = luigi.Parameter(
        default=str(GUARD.repeated), description="most of a drop's rows that may repeat a key of it with other values"
    )
    guard_unread = luigi.Parameter(
        default=str(GUARD.unread), description="most of a column's values that may not be understood"
    )
    ignore = luigi.Parameter(default="", description="files of the data folder that are none of ours: *.bak, old/*")
    llm = luigi.Parameter(default="off", description="on: a language model is asked; a key alone sends nothing")
    llm_model = luigi.Parameter(default="openai/gpt-oss-20b", description="the model that GROQ_API_KEY is for")
    llm_max_calls = luigi.Parameter(default="200", description="most requests to the model in one run")
    llm_batch = luigi.Parameter(default="10", description="records per request")
    llm_concurrency = luigi.Parameter(default="4", description="requests at a time")
    llm_timeout = luigi.Parameter(default="30", description="seconds that one request may take")
    llm_retries = luigi.Parameter(default="3", description="how often a request that failed is made again")
    llm_breaker = luigi.Parameter(default="5", description="after so many failures in a row no more is asked")


@dataclass(frozen=True)
class Settings:
    home: Home
    data_dir: Path
    output_dir: Path
    database_dir: Path
    database_url: str = field(repr=False)
    reader_url: str = field(repr=False)
    require_ssl: bool
    sql_timeout: int
    as_of: date | None
    reader_roles: tuple[str, ...]
    workers: int
    chunk_rows: int
    encoding: str
    phone_country_code: str
    phone_digits: int
    attendance_status: frozenset[str]
    guard_overlap: float
    guard_growth: float
    guard_nulls: float
    guard_rejects: float
    guard_codes: float
    guard_missing: float
    guard_class: int
    guard_rejected: float
    guard_repeated: float
    guard_unread: float
    ignore: tuple[str, ...]
    llm: str
    llm_model: str
    llm_max_calls: int
    llm_batch: int
    llm_concurrency: int
    llm_timeout: float
    llm_retries: int
    llm_breaker: int
    groq_api_key: str = field(repr=False)

    @property
    def database(self) -> Database:
        return Database(self.database_url, self.database_dir, require_ssl=self.require_ssl)

    @property
    def reader(self) -> Database:
        """The same database for what a person asks: as the login that can only read, when there is one."""
        if not self.database_url:
            return Database("", self.database_dir, user=READER)
        url, setting = (
            (self.reader_url, "EDUFLOW_READER") if self.reader_url else (self.database_url, "EDUFLOW_DATABASE")
        )
        return Database(url, self.database_dir, setting=setting, require_ssl=self.require_ssl)

    @property
    def database_name(self) -> str:
        """The database as the home remembers it: an embedded one moves with its home, so its path is not its name."""
        embedded = not self.database_url and self.database_dir == self.home.cluster()
        return "embedded" if embedded else str(self.database)


def settings(home: Home | None = None) -> Settings:
    """The settings as they are now, of this home or the current one. ConfigError for a value that can't be used."""
    given = tuple(sorted(item for item in os.environ.items() if item[0].startswith("EDUFLOW_") or item[0] == KEY))
    home = home or homes.current()
    if home.folder not in (_read_from[-1:] or [Path.cwd()]):  # plain Luigi with EDUFLOW_HOME: it read another luigi.cfg
        use(home)
    return _settings(home, given, CmdlineParser.get_instance())


_read_from: list[Path] = []  # the homes whose luigi.cfg was read, the one that counts last


def use(home: Home) -> None:
    """Read the settings of this home, whatever folder Luigi read its own from when it was imported."""
    config = luigi.configuration.get_config()
    for section in config.sections():
        config.remove_section(section)
    everyones = (Path("/etc/luigi/client.cfg"), Path("/etc/luigi/luigi.cfg"))
    own = (homes.packaged(), home.folder / "luigi.cfg", Path(os.environ.get("LUIGI_CONFIG_PATH") or os.devnull))
    for path in (*everyones, *own):
        _read(config, path)
    _read_from[:] = [home.folder]
    _settings.cache_clear()


def _read(config: Any, path: Path) -> None:
    """ConfigError for a file that is there and can't be read; nothing of it is quoted."""
    try:
        with path.open(encoding="utf-8") as file:
            config.read_file(file)
    except FileNotFoundError:
        return
    except configparser.Error as error:
        lines = [line for line, _ in getattr(error, "errors", [])] or [getattr(error, "lineno", "?")]
        raise ConfigError(f"{path} is no valid configuration file: line {lines[0]}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None


@functools.lru_cache(maxsize=8)  # asked for at every step; files are read once per process
def _settings(home: Home, given: tuple[tuple[str, str], ...], _command_line: object) -> Settings:
    environment = {**_dotenv(home.folder / ".env"), **dict(given)}
    section = _section()
    _refuse_unknown(set(section.param_kwargs), environment)

    def value(key: str) -> str:
        return (environment.get(f"EDUFLOW_{key.upper()}") or section.param_kwargs[key] or "").strip()

    def folder(key: str) -> Path:
        return home.folder / Path(value(key)).expanduser()

    database_url = _database(environment.get("EDUFLOW_DATABASE") or "")
    shares: dict[str, Any] = {key: _share(key, value(key)) for key in SHARES}
    return Settings(
        home=home,
        data_dir=folder("data_dir"),
        output_dir=folder("output_dir"),
        database_dir=folder("database_dir") if value("database_dir") else _own_cluster(home, database_url),
        database_url=database_url,
        reader_url=_reader(environment.get("EDUFLOW_READER") or "", database_url),
        require_ssl=_switch("require_ssl", value("require_ssl")) == "on",
        sql_timeout=_number("sql_timeout", value("sql_timeout")),
        as_of=_date("as_of", value("as_of")),
        reader_roles=tuple(dict.fromkeys(role for name in value("reader_roles").split(",") if (role := name.strip()))),
        workers=_number("workers", value("workers")),
        chunk_rows=_number("chunk_rows", value("chunk_rows")),
        encoding=value("encoding"),
        phone_country_code=value("phone_country_code"),
        phone_digits=_number("phone_digits", value("phone_digits")),
        attendance_status=_statuses(value("attendance_status")),
        **shares,
        guard_class=_number("guard_class", value("guard_class"), least=0),
        ignore=tuple(pattern.strip() for pattern in value("ignore").split(",") if pattern.strip()),
        llm=_switch("llm", value("llm")),
        llm_model=value("llm_model"),
        llm_timeout=_share("llm_timeout", value("llm_timeout")),
        llm_retries=_number("llm_retries", value("llm_retries"), least=0),
        llm_max_calls=_number("llm_max_calls", value("llm_max_calls"), least=0),
        llm_batch=_number("llm_batch", value("llm_batch")),
        llm_concurrency=_number("llm_concurrency", value("llm_concurrency")),
        llm_breaker=_number("llm_breaker", value("llm_breaker")),
        groq_api_key=(environment.get(KEY) or "").strip(),
    )


def _dotenv(path: Path) -> dict[str, str | None]:
    """What .env sets. ConfigError, which quotes nothing of it, when it can't be read or a line of it sets nothing."""
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read: {error.strerror}. Who runs EduFlow must be able to (mode 0600)"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} can't be read: it is not UTF-8") from None
    wrong = next((line.original.line for line in parse_stream(io.StringIO(content)) if line.error), None)
    if wrong is not None:
        raise ConfigError(f"{path} line {wrong} is none of the form KEY=VALUE")
    return dict(dotenv_values(stream=io.StringIO(content)))


def _section() -> eduflow:
    """`[eduflow]` of luigi.cfg. Nothing that stands there is quoted, by us or by Luigi: it may be a secret."""
    parser = luigi.configuration.get_config()
    given = set(parser.options("eduflow")) if parser.has_section("eduflow") else set()
    given -= set(parser.defaults())
    for key in given:
        try:
            value = parser.get("eduflow", key)
        except configparser.Error:
            advice = "put the URL into EDUFLOW_DATABASE or .env" if key == "database" else "write %% for %"
            raise ConfigError(f"luigi.cfg [eduflow] {key} can't be read: it holds a % or a $; {advice}") from None
        if key == "database" and holds_secret(value):
            raise ConfigError(
                "luigi.cfg [eduflow] database holds a password: put the URL into EDUFLOW_DATABASE or .env"
            )
    with warnings.catch_warnings():  # Luigi's warning of a key that it does not know shows the value
        warnings.simplefilter("ignore", UnconsumedParameterWarning)
        section = eduflow()
    return section


def _refuse_unknown(known: set[str], environment: Mapping[str, str | None]) -> None:
    parser = luigi.configuration.get_config()
    given = set(parser.options("eduflow")) if parser.has_section("eduflow") else set()
    given -= set(parser.defaults())
    for key in sorted(given - known - {"database"}):
        raise ConfigError(f"luigi.cfg [eduflow] knows no {key}; {nearest(key, sorted(known))}")
    names = [*BESIDE, *(f"EDUFLOW_{key.upper()}" for key in sorted(known))]
    for name in sorted(environment):
        if name.startswith("EDUFLOW_") and name not in names:
            raise ConfigError(f"Unknown setting {name} in the environment or .env; {nearest(name, names)}")


def _own_cluster(home: Home, database_url: str) -> Path:
    """Of the home's embedded server; beside a server of one's own it is not used, and root's is not looked up."""
    return home.folder / ".eduflow" / "pg" if database_url else home.database_folder()


def _reader(url: str, database_url: str) -> str:
    if url and not database_url:
        raise ConfigError("EDUFLOW_READER is a login on the server of EDUFLOW_DATABASE, which is not set")
    return url


def _database(from_environment: str) -> str:
    return from_environment or luigi.configuration.get_config().get("eduflow", "database", "") or ""


def _date(key: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"[eduflow] {key} must be a date like 2024-02-08") from None


def _number(key: str, text: str, least: int = 1) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ConfigError(f"[eduflow] {key} must be a whole number {'above 0' if least else 'from 0 on'}")
    return int(text)


def _switch(key: str, text: str) -> str:
    if text.lower() not in ("on", "off"):
        raise ConfigError(f"[eduflow] {key} must be on or off")
    return text.lower()


def _share(key: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share < 1e6 or not text.replace(".", "").isdecimal():
        raise ConfigError(f"[eduflow] {key} must be a number like 0.3")
    return share


def _statuses(text: str) -> frozenset[str]:
    """The words of a register, of the four that EduFlow knows."""
    words = frozenset(word.strip().upper() for word in text.split(","))
    if not {"PRESENT", "ABSENT"} <= words <= {"PRESENT", "ABSENT", "LATE", "EXCUSED"}:
        raise ConfigError("[eduflow] attendance_status takes PRESENT, ABSENT and, where they count, LATE and EXCUSED")
    return words
