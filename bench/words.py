"""Makes agents/masking/wordlists/english.txt, the ordinary words that may leave the machine, from SCOWL.

    apt-get download scowl && dpkg -x scowl_*.deb scowl && pip install faker names    # in a scratch folder
    python -m bench.words scowl/usr/share/dict/scowl > agents/masking/wordlists/english.txt

Words of SCOWL's levels 10 to 35 (its proper names are lists of their own, and stay out). A word that is a name in any
of three lists (SCOWL's proper names, the US census of 1990, the names of Faker's locales) is dropped, unless it is
a common word: then it's marked as both. So a line is a word and, after a blank, `c` (common: levels 10 and 20) or `n`
(common, and a name).
"""

import importlib
import inspect
import pkgutil
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

DIALECTS = ("english", "american", "british")
COMMON, ALL = (10, 20), (10, 20, 35)
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
SURNAMES = 20_000  # beyond these, the census has a bearer for almost every word
# Hardly ever written without a capital but as somebody's name
RATHER_NAMES = frozenset(
    [
        "amber",
        "art",
        "bob",
        "chuck",
        "drew",
        "gene",
        "jack",
        "jay",
        "ken",
        "nick",
        "pat",
        "ray",
        "rod",
        "sue",
        "wade",
        "ward",
        "wren",
    ]
)


def words(scowl: Path, levels: tuple[int, ...]) -> set[str]:
    files = [scowl / f"{d}-{kind}.{level}" for d in DIALECTS for kind in ("words", "contractions") for level in levels]
    found = {word for file in files if file.exists() for word in file.read_text("latin-1").split()}
    return {word for word in found if WORD.fullmatch(word) and not word.endswith("'s")}


def folded(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return [part for part in re.findall("[a-z]+", plain) if len(part) > 1]


def faker_names() -> Iterator[str]:
    from faker.providers import person

    for locale in pkgutil.iter_modules(person.__path__):
        provider = importlib.import_module(f"{person.__name__}.{locale.name}").Provider
        for key, value in inspect.getmembers(provider):
            if "name" in key and "formats" not in key and isinstance(value, (tuple, list, dict)):
                yield from (part for name in value if isinstance(name, str) for part in folded(name))


def census_names() -> Iterator[str]:
    import names

    for file, limit in (("dist.male.first", None), ("dist.female.first", None), ("dist.all.last", SURNAMES)):
        lines = (Path(names.__file__).parent / file).read_text().splitlines()[:limit]
        yield from (line.split()[0].lower() for line in lines)


def proper_names(scowl: Path) -> Iterator[str]:
    for file in scowl.glob("*-proper-names.[1-5]*"):
        yield from (part for word in file.read_text("latin-1").split() for part in folded(word.split("'")[0]))


def main(scowl: Path) -> None:
    names = {*faker_names(), *census_names(), *proper_names(scowl)}
    common = words(scowl, COMMON) - RATHER_NAMES
    for word in sorted(words(scowl, ALL)):
        if word in common:
            print(word, "n" if word in names else "c")
        elif word not in names:
            print(word)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
