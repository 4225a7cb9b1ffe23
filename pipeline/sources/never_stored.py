"""Columns that hold passwords or tokens: nobody needs them in a warehouse, so their values are left out before landing.

A column is known by its name: those that a declaration declares (`never_store`), and the usual ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

NOT_STORED = "[never stored]"  # in place of a record that may hold a password; no delimiter is in it
SECRETS = (
    *("password", "passwd", "pwd", "passwort"),  # at the beginning of a word too: passwordhash
    *("kennwort", "passphrase", "passcode", "token", "secret", "secretkey"),
)
_ANYWHERE = 4
_LONGEST = 200  # characters of a name that is remembered
_WORDS = re.compile(r"[^\W\d_]+")
_CAPITAL = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def is_secret(name: str, declared: Iterable[str] = ()) -> bool:
    """Whether a column or key of that name holds passwords or tokens: userPassword, API_TOKEN, Passwort 2, apitoken.

    One word that ends in one of SECRETS is enough (of a plural the last one: apiTokens), or begins with `password`.
    tokens_used is a count, and secretary another word. declared: names that a declaration says so of.
    """
    known = _is_secret if len(name) <= _LONGEST else _is_secret.__wrapped__
    return known(name, tuple(declared))


@lru_cache(10_000)
def _is_secret(name: str, declared: tuple[str, ...]) -> bool:
    words = _words(name)
    return bool(words) and (
        any(word.endswith(SECRETS) or word.startswith(SECRETS[:_ANYWHERE]) for word in words)
        or words[-1].removesuffix("s").endswith(SECRETS)
        or any(one + other in SECRETS for one, other in pairwise(words))
        or words in map(_words, declared)
    )


def _words(name: str) -> list[str]:
    name = name if name.isascii() or len(name) > _LONGEST else unicodedata.normalize("NFKC", name)
    return [word.lower() for word in _WORDS.findall(_CAPITAL.sub(" ", name))]


def speaks_of_secrets(text: str, declared: Iterable[str] = ()) -> bool:
    """Whether a text that could not be taken apart may hold, under some key, what is never stored."""
    if "\\u" in text:
        text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    letters = re.sub(r"[\W\d_]+", "", text).lower()
    return any(word in letters for word in (*SECRETS, *("".join(_words(each)) for each in declared)) if word)
