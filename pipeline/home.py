"""A home: the folder a school runs in, with its data, its output, its settings and its database.

A folder is a home when it holds a `sources.toml`, or a `luigi.cfg` with a section [eduflow]; as a git repository, it is
found from any folder inside it. `.eduflow/home.json` keeps the id of the home and the databases that it filled, so that
a renamed or moved home finds its database again, and an empty one in its place is noticed. The database keeps the id of
its home (`etl.home`), so that no other home writes into it. The repository is the home of the sample.
"""

from __future__ import annotations

import configparser
import difflib
import functools
import json
import os
import re
import secrets
import shlex
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from init_db import server

CODE = Path(__file__).resolve().parent.parent  # the repository, or where the package is installed
SETTINGS = "sources.toml"
SAMPLE = ".sample"  # in a data folder: it is the sample's, and these are its files
MOST_DATABASES = 50  # that a home remembers: a school has one, and a second while it moves
IDS = re.compile("[0-9a-f]{12}")
KEYS = {"school": ("name",)}


class ConfigError(ValueError):
    """A setting or a home that can't be used: names it and says what to do."""


@dataclass(frozen=True)
class Home:
    """One home. Creating the object reads and writes nothing."""

    folder: Path

    @property
    def name(self) -> str:
        """The school's name in sources.toml, else the name of the folder."""
        return str(declared(self.folder / SETTINGS).get("school", {}).get("name") or self.folder.name)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits, made and kept when first asked for."""
        kept = self._kept()
        if not kept:
            self._keep({"id": self._former_id() or secrets.token_hex(6)}, first=True)
            kept = self._kept()
        return str(kept["id"])

    def cluster(self) -> Path:
        """The folder of its own cluster, whatever there is."""
        return self.folder / ".eduflow" / "pg" if os.geteuid() else server.ROOT_FOLDER / self.id / "pg"

    def database_folder(self) -> Path:
        """Where the embedded server keeps its files: in the home; for root where the server's user can reach.

        ConfigError when a database of this folder is there that the home does not know any more.
        """
        self.refuse_lost_database()
        own, cluster = self.folder / ".eduflow" / "pg", self.cluster()
        if cluster != own:
            if (own / "PG_VERSION").exists() and own.stat().st_uid and not cluster.exists():
                raise ConfigError(
                    f"The database of this home is {own}, which the user {own.owner()} made: run EduFlow as "
                    f"{own.owner()}, not as root"
                )
            self._note_place(cluster.parent)
        return cluster

    def refuse_lost_database(self) -> None:
        if lost := self.lost_database():
            raise ConfigError(
                f"{self._file} is missing or a new one, but the database of a home in {self.folder} lies in {lost}. Go "
                f"on with it: eduflow init --adopt {shlex.quote(str(self.folder))} (to start anew, then: eduflow purge)"
            )

    def lost_database(self) -> Path | None:
        """A database of root's that was this folder's, when the home has none and knows no more of it; the last used.

        Asked where the embedded server is used, and not before: beside a server of one's own it does not matter.
        """
        if os.geteuid() or (server.ROOT_FOLDER / str(self._kept().get("id")) / "pg" / "PG_VERSION").exists():
            return None
        notes = [note for note in server.ROOT_FOLDER.glob("*/home") if IDS.fullmatch(note.parent.name)]
        there = [note for note in notes if (note.parent / "pg" / "PG_VERSION").exists()]
        found = [note.parent for note in there if note.read_bytes() == os.fsencode(self.folder)]
        return max(found, key=lambda folder: (folder / "pg" / "global" / "pg_control").stat().st_mtime, default=None)

    def has_filled(self, database: str) -> bool:
        return database in self._kept().get("databases", [])

    def note_filled(self, database: str) -> None:
        if not self.has_filled(database):
            kept = self._kept()
            self._keep({**kept, "databases": [*kept.get("databases", []), database][-MOST_DATABASES:]})

    def forget_databases(self) -> None:
        kept = self._kept()
        if kept.pop("databases", None):
            self._keep(kept)

    def adopt(self, home_id: str) -> None:
        """Take the place of another home, which is gone: its id and so its database."""
        self._keep({**self._kept(), "id": home_id})

    def _former_id(self) -> str:
        """The id under which root's databases lay before homes had ids: a digest of the path."""
        former = server.path_digest(self.folder)
        return former if not os.geteuid() and (server.ROOT_FOLDER / former / "pg").exists() else ""

    def _note_place(self, folder: Path) -> None:
        """Keep where the home of a root's database is; refuse a copy of a home that still exists."""
        note = folder / "home"
        before = Path(os.fsdecode(note.read_bytes())) if note.exists() else None
        if before == self.folder:
            return
        if before and before != self.folder and Home(before)._kept().get("id") == self.id:
            raise ConfigError(
                f"{self.folder} is a copy of the home {before} and would share its database. "
                f"Remove {self.folder / '.eduflow'} to start it with a database of its own."
            )
        folder.mkdir(parents=True, exist_ok=True)
        for each in (folder.parent, folder):
            each.chmod(0o755)  # whatever the umask: the server's own user passes through
        _replace(note, os.fsencode(self.folder))

    @property
    def _file(self) -> Path:
        return self.folder / ".eduflow" / "home.json"

    def _kept(self) -> dict[str, Any]:
        """What home.json says; nothing when there is none."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(
                f"{self._file} can't be read ({error.strerror}): run EduFlow as the user that made the home"
            ) from None
        except ValueError:
            kept = None
        databases = kept.get("databases", []) if isinstance(kept, dict) else None
        if not isinstance(databases, list) or not IDS.fullmatch(str(kept.get("id", ""))):
            raise ConfigError(
                f"{self._file} is damaged: it does not say which database is this home's. Take it from a copy of the "
                f"home, or remove it and go on with: eduflow init --adopt {shlex.quote(str(self.folder))}"
            )
        return dict(kept)

    def _keep(self, kept: dict[str, Any], *, first: bool = False) -> None:
        """first: of several processes that start at once, one makes the file and all read it."""
        try:
            self._file.parent.mkdir(mode=0o750, exist_ok=True)
            _replace(self._file, f"{json.dumps(kept, indent=2)}\n".encode(), keep_existing=first)
        except OSError as error:
            raise ConfigError(
                f"{self._file} can't be written ({error.strerror}): a home must be writable for who runs EduFlow"
            ) from None


def _replace(path: Path, content: bytes, *, keep_existing: bool = False) -> None:
    handle, aside = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep_existing:
            with suppress(FileExistsError):
                os.link(aside, path)
        else:
            Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)


def is_home(folder: Path) -> bool:
    if (folder / SETTINGS).is_file():
        return True
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read(folder / "luigi.cfg", encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return False
    return config.has_section("eduflow")


def at(folder: str | Path, what: str = "") -> Home:
    """The home that this folder is; ConfigError when it is none. what: how the message calls it."""
    found = Path(folder).expanduser().resolve()
    if not is_home(found):
        raise ConfigError(f"{what or folder} is no home. Make it one: eduflow init {folder}")
    return Home(found)


def current() -> Home:
    """The home of EDUFLOW_HOME, else the one that the working directory is in. ConfigError when there is none."""
    return _current(os.environ.get("EDUFLOW_HOME", ""), Path.cwd())


@functools.lru_cache(maxsize=8)  # asked for at every step
def _current(named: str, here: Path) -> Home:
    if named:
        return at(named, f"EDUFLOW_HOME={named}")
    for folder in (here, *here.parents):
        if is_home(folder):
            return Home(folder)
    raise ConfigError(
        f"{here} is in no EduFlow home. Make one: eduflow init FOLDER; or name one: eduflow -C FOLDER VERB, "
        "or EDUFLOW_HOME=FOLDER"
    )


def declared(path: Path) -> dict[str, Any]:
    """What sources.toml says; ConfigError with the line, or with the key that it does not know."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    for section, keys in found.items():
        _known(path, section, tuple(KEYS), "section")
        if not isinstance(keys, dict):
            raise ConfigError(f"{path}: {section} is a section: [{section}]")
        for key in keys:
            _known(path, f"{section}.{key}", tuple(f"{section}.{each}" for each in KEYS[section]), "key")
    return found


def _known(path: Path, word: str, words: tuple[str, ...], what: str) -> None:
    if word not in words:
        raise ConfigError(f"{path}: unknown {what} {word}; {nearest(word, words)}")


def nearest(word: str, words: tuple[str, ...] | list[str]) -> str:
    """`did you mean ...?`, or the words there are."""
    near = difflib.get_close_matches(word, words, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(words)}"


# --- a home and its database ----------------------------------------------------------------------------------------


def check(db: Connection, home: Home, database: str) -> None:
    """Refuse another home's database, and an empty one where this home had filled one. Nothing is written before."""
    row = owner(db)
    if row is not None and row.home_id != home.id:
        raise ConfigError(
            f"The database ({database}) belongs to another home, {row.name!r}; this one is {home.name!r} in "
            f"{home.folder}. Two homes never share a database: set EDUFLOW_DATABASE to one of its own. "
            f"If this folder takes the place of the other home: eduflow init --adopt {home.folder}"
        )
    if row is None and home.has_filled(database) and not _has_ledger(db):
        raise ConfigError(
            f"The database ({database}) is EMPTY, but this home ({home.folder}) had filled it before. Is it the right "
            "one, is its disk there? Restore a backup (eduflow restore FILE), or start anew: eduflow run --new"
        )


def claim(db: Connection, home: Home, database: str) -> None:
    """Keep in the database whose it is, and in the home that it filled it."""
    if owner(db) is None:
        db.execute(
            text("insert into etl.home (home_id, name) values (:id, :name) on conflict do nothing"),
            {"id": home.id, "name": home.name},
        )
    home.note_filled(database)


def owner(db: Connection) -> Any:
    if db.execute(text("select to_regclass('etl.home')")).scalar() is None:
        return None
    return db.execute(text("select home_id, name, kind from etl.home")).one_or_none()


def _has_ledger(db: Connection) -> bool:
    return db.execute(text("select to_regclass('etl.migrations')")).scalar() is not None


def kind_of(data: Path) -> str:
    """Whose files a data folder holds: the sample's, or a school's."""
    return "sample" if (data / SAMPLE).is_file() else "school"


def mixed(db: Connection, data: Path) -> str:
    """Why files of this data folder must not come into this database; "" when they may.

    The sample is made up; beside real pupils nobody could tell them apart.
    """
    row = owner(db)
    kind = kind_of(data)
    if row is None or row.kind in (None, kind):
        return ""
    here, there = ("the sample", "a school") if kind == "sample" else ("a school", "the sample")
    return (
        f"The files in {data} are {here}'s, but the database of this home holds {there}'s. They must not meet. "
        "Make a home for the school, eduflow init FOLDER, put its files into FOLDER/data and run there: "
        "eduflow -C FOLDER run"
    )


def note_kind(db: Connection, data: Path) -> None:
    """Before the first file lands: this database is the sample's, or a school's."""
    db.execute(text("update etl.home set kind = :kind where kind is null"), {"kind": kind_of(data)})


def packaged() -> Path:
    """The luigi.cfg that came with the code: in the repository, or in the installed package."""
    own = CODE / "pipeline" / "luigi.cfg"
    return own if own.exists() else CODE / "luigi.cfg"
