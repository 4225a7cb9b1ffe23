"""What a dataset is declared by: frozen data that reads like a table.

The value of a declaration (not the text of its file, nor its comments) is a part of every fingerprint that depends on
it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

# Type of the staged column that a rule yields. `number` is numeric(14, scale), or bigint at scale 0.
STAGED_TYPES = {
    "student_id": "text",
    "key": "text",
    "name": "text",
    "email": "text",
    "phone": "text",
    "date": "date",
    "timestamp": "timestamp with time zone",
    "gender": "text",
    "city": "text",
    "state": "text",
    "percent": "numeric(5,2)",
    "boolean": "boolean",
    "code": "text",
    "text": "text",
    "aliases": "text[]",
    "class_id": "text",
    "grade": "integer",
    "attendance": "text",
    "points": "numeric(14,2)",
}
NEVER_NULL = frozenset({"student_id", "key", "gender"})  # rules that give an accepted row a value
INFERRED = ("student", "course")  # what a reference to one that no master data knows becomes a member of
DELETE = "DELETE"  # the value of an operation that takes the row of a key away
OPERATIONS = (
    *((word, "UPSERT") for word in ("upsert", "insert", "update", "u", "i", "c", "r")),
    *((word, DELETE) for word in ("delete", "d")),
)
# A clean value of a rule as it comes in a file, where a column says none.
EXAMPLES = {
    "student_id": "STU001",
    "key": "K001",
    "name": "Asha Rao",
    "email": "asha@example.org",
    "phone": "5550100001",
    "date": "2024-02-01",
    "timestamp": "2024-02-01T10:00:00Z",
    "gender": "F",
    "city": "Pune",
    "state": "Maharashtra",
    "number": "10",
    "percent": "80",
    "boolean": "TRUE",
    "code": "C001",
    "text": "as written",
    "aliases": "Poona",
    "class_id": "CLASS-10A",
    "grade": "10",
    "attendance": "PRESENT",
    "points": "10",
}
# The settings (keys of `[eduflow]`) that a rule reads.
RULE_OPTIONS = {"phone": ("phone_country_code", "phone_digits"), "attendance": ("attendance_status",)}


@dataclass(frozen=True)
class Column:
    """One column of a source file.

    name        also the name of the raw column and, but for `name` rules, the staged one
    rule        the rule of `pipeline.rules` that cleans it (a key of STAGED_TYPES, or `number`)
    aliases     other header names that mean this column (already normalised: lower case, `_`)
    case        for `code`, `key`: canonical case, "upper" | "lower" | "title" | "" (as it is)
    ascii       for `key`: the key is an id and must be ASCII (after NFKC); a key that is a proper name need not
    words       for `code`: the vocabulary as (accepted word, canonical value); empty = any word
    default     for `code`: the value of a blank or unknown word; None keeps NULL, or the unknown word itself
    scale       for `number`: decimal places kept, half away from zero
    missing     the flag of a blank value; "" = a blank is no problem
    blank_value for `number`: what a blank becomes, as text; None = NULL
    flag        what the column's flags start with; "" = its name (`completion_percentage` says `completion_capped`)
    required    whatever is wrong with the column rejects the row
    optional    a file may lack the column: it is then NULL in every row; without it the file is refused
    references  what its value names: "student", "course", "class", "instructor" or "program"; "" = nothing
    indexed     whether the staged column has an index of its own
    comment     what the staged column holds, for the data dictionary
    example     a clean value as it comes in a file, of which tests make rows; "" = what suits its rule
    """

    name: str
    rule: str
    aliases: tuple[str, ...] = ()
    case: str = ""
    ascii: bool = True
    words: tuple[tuple[str, str], ...] = ()
    default: str | None = None
    scale: int = 2
    missing: str = ""
    blank_value: str | None = None
    flag: str = ""
    required: bool = False
    optional: bool = False
    references: str = ""
    indexed: bool = False
    comment: str = field(default="", compare=False)
    example: str = field(default="", compare=False)

    @property
    def flag_prefix(self) -> str:
        return self.flag or self.name

    @property
    def never_null(self) -> bool:
        """Whether every staged row has a value."""
        return self.required or self.rule in NEVER_NULL or self.default is not None

    @property
    def sample(self) -> str:
        """A clean value as it comes in a file."""
        return self.example or (self.words[0][1] if self.words else EXAMPLES[self.rule])

    @property
    def unknown_flag(self) -> str:
        """The flag, or reason, of a word that is not in its vocabulary; "" when it has none."""
        ending = {"city": "unmatched", "state": "unmatched", "class_id": "invalid", "attendance": "unknown"}
        ending |= {"code": "unknown"} if self.words else {}
        return f"{self.flag_prefix}_{ending[self.rule]}" if self.rule in ending else ""

    @property
    def keeps_unknown(self) -> bool:
        """Whether a word that is not in its vocabulary stays in staging."""
        return self.rule in ("city", "state") or (self.rule == "code" and self.default is None)

    @property
    def range(self) -> str:
        """What must hold of its staged values, as SQL; "" when any value may stand there."""
        name = self.name
        ranges = {"percent": f"{name} between 0 and 100", "number": f"{name} >= 0", "points": f"{name} >= 0"}
        return {**ranges, "grade": f"{name} > 0"}.get(self.rule, "")

    @property
    def staged(self) -> tuple[tuple[str, str], ...]:
        """(name, PostgreSQL type) of each staged column this one yields."""
        if self.rule == "number":
            kind = f"numeric(14,{self.scale})" if self.scale else "bigint"
            return ((self.name, kind),)
        if self.rule == "name":
            return ((self.name, "text"), ("first_name", "text"), ("last_name", "text"))
        return ((self.name, STAGED_TYPES[self.rule]),)


@dataclass(frozen=True)
class RowCheck:
    """What must hold between two columns of a row: `column operator other`, as in score <= max_score.

    operator  "<" | "<=" | ">" | ">=" | "=" ; a NULL on either side breaks nothing
    other     a column of the same type, or a number
    code      the reason by which a row that breaks it is rejected; of several checks the first one broken speaks
    what      what a broken one means, for the data dictionary
    """

    column: str
    operator: str
    other: str | int
    code: str
    what: str = field(default="", compare=False)


@dataclass(frozen=True)
class Dataset:
    """One kind of source.

    name        dataset and file name (`students_enrollment.csv`), also `raw.<name>`
    table       the staged table, `staging.<table>`
    row         what one row is, for the data dictionary
    key         the natural key: the column that names a row across drops, or several: "student_id, course_id"
    mode        "append": each drop adds or corrects; "snapshot": the drops of one date are the whole truth at that
                date; "changes": each row puts or takes away the row of its key, as its operation says
    operation   of "changes": the column, of rule `code` and words OPERATIONS, that says which
    fact        the columns of its fact, besides its key, what it references and its day (the first date or timestamp
                of these); () = none, or one that is written by hand. `make ddl` writes it
    columns     in a file's header in any order
    checks      what must hold between the columns of a row, in this order
    aliases     other file names of the dataset
    encoding    what text that is not UTF-8 is read as ("cp1252"), or "" to refuse it
    groups      staged columns by which facts group rows, besides what it references: a row that changes one of them
                moved between groups
    lookups     the datasets whose newest drop the rules look things up in
    versions    the table that keeps every accepted version of a row, one per drop date: `staging.<versions>`
    never_store names of columns whose values are read by nobody, besides those that `never_stored.is_secret` knows
    """

    name: str
    table: str
    key: str
    mode: str
    columns: tuple[Column, ...]
    row: str = field(default="", compare=False)
    checks: tuple[RowCheck, ...] = ()
    aliases: tuple[str, ...] = ()
    encoding: str = ""
    groups: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
    versions: str = ""
    never_store: tuple[str, ...] = ()
    operation: str = ""
    fact: tuple[str, ...] = ()

    @cached_property
    def family(self) -> str:
        """stg_enrollments -> Enrollments: what its steps are called after."""
        return self.table.removeprefix("stg_").title().replace("_", "")

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The columns of the natural key."""
        return tuple(self.key.split(", "))

    def key_text(self, alias: str = "") -> str:
        """The natural key as one text, in SQL: that of `alias` ("s."), a table or its alias."""
        return " || '/' || ".join(f"{alias}{name}" for name in self.keys)

    def live(self, alias: str = "") -> str:
        """What holds of the rows in staging that were not taken away, as SQL; "" when all are there."""
        return f"{alias}{self.operation} <> '{DELETE}'" if self.operation else ""

    @cached_property
    def moved_by(self) -> tuple[str, ...]:
        """The staged columns that, changed, move a row from one group of its readers to another."""
        named = [c.name for c in self.columns if c.references in INFERRED and c.name not in self.keys]
        return tuple(dict.fromkeys((*self.groups, *named, *([self.operation] if self.operation else []))))

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def staged(self) -> tuple[tuple[str, str], ...]:
        """(name, PostgreSQL type) of the staged content columns, key included, in table order."""
        return tuple(pair for column in self.columns for pair in column.staged)

    @cached_property
    def staged_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.staged)

    @cached_property
    def options(self) -> tuple[str, ...]:
        """The settings that its rules read."""
        return tuple(key for column in self.columns for key in RULE_OPTIONS.get(column.rule, ()))

    def absent(self, fields: Collection[str | None]) -> tuple[str, ...]:
        """The optional columns that a file lacks. fields: its columns; none noted = a drop of an old version."""
        return tuple(c.name for c in self.columns if c.optional and fields and c.name not in fields)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def same(*words: str) -> tuple[tuple[str, str], ...]:
    """A vocabulary whose words are their own canonical values (matched in any case)."""
    return tuple((word.lower(), word) for word in words)
