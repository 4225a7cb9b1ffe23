"""What identifies a person although each of its words may stay: addresses, numbers, ids, dates, places.

A rule looks only at words of certain roles, and marks words with the placeholder that will stand for them. Rules mark
too much rather than too little; none takes a mark away. Names have a module of their own, `agents.persons`.
"""

from __future__ import annotations

from collections.abc import Iterator

from agents.masking.line import (
    BORN,
    CAPS,
    DIGIT,
    ID,
    KNOWN,
    LETTER,
    LINK,
    LINKERS,
    LOGIN,
    MONTH,
    NUMBER,
    ORDINAL,
    PLACE,
    PREPOSITION,
    TITLE,
    UNKNOWN,
    Line,
    ends,
    glued,
    joint,
)
from agents.masking.vocabulary import DIGITS, GRADERS, ID_FILLERS, LOGIN_STATES, MAILERS, TOP_LEVELS

PARTS = LINKERS - {"at"}  # between the words of one name of an address
BRACKETS = ("(", "[", "{", "<")
# Between two digits with one of these and a blank, one number ends and another begins
NUMBER_ENDS = frozenset("%₹$€£?!;=")
BRIDGES = frozenset({"dash", "dot", "slash", "o", "oh", "hyphen", "space"})
SHORT = 3  # digits of a number that may stay


def find(line: Line) -> None:
    """Marks what the module is about."""
    seen = line.seen
    if seen & (UNKNOWN | NUMBER | LETTER):
        strangers(line)
    if seen & (LINK | UNKNOWN) or any(map(glued, line.odd)):
        links(line)
    if seen & LINK or any("@" in gap for gap in line.odd):
        mails(line)
    if seen & (NUMBER | DIGIT):
        numbers(line)
        dates(line)
    if seen & (ID | LOGIN | BORN | NUMBER):
        ids(line)
        logins(line)
        births(line)
    if seen & (PLACE | PREPOSITION):
        places(line)


def strangers(line: Line) -> None:
    """Unknown words, long numbers, single letters."""
    for i in line.having(UNKNOWN | NUMBER):
        word, role = line.words[i], line.roles[i]
        if role & NUMBER:
            line.marks[i] = "[number]" if len(word) > SHORT else ""
        elif any(c.isdigit() for c in word):
            line.marks[i] = "[id]"
        else:
            line.marks[i] = "[name]" if role & (TITLE | CAPS | KNOWN) else "[word]"
    for i in line.having(LETTER):
        if line.role(i - 1) & LETTER or line.role(i + 1) & LETTER:
            line.marks[i] = "[name]"
        elif line.words[i] not in "aAiI" and not (line.low(i - 1) in GRADERS or line.gaps[i + 1][:1] == "+"):
            line.marks[i] = "[word]"


def chunk(line: Line, i: int) -> tuple[int, int]:
    """The first and last word of what stands around words[i] without a blank."""
    first = last = i
    while first > 0 and glued(line.gaps[first]):
        first -= 1
    while last + 1 < len(line.words) and glued(line.gaps[last + 1]):
        last += 1
    return first, last


def links(line: Line) -> None:
    done = -1  # each chunk once, or a line of a million dots takes a day
    odd = {gap for gap in line.odd if "://" in gap or "\\" in gap or (gap.strip() == "." and joint(gap))}
    for i, after in enumerate(line.gaps[1:]) if odd else ():
        if i > done and after in odd and (after.strip() != "." or domain(line, i + 1)):
            first, done = chunk(line, i)
            done = max(done, i + 1 if i + 1 < len(line.words) else i)
            line.mark("[link]", first, done)
    done = -1
    for i in line.having(LINK):
        if line.low(i) == "www":
            if i > done:
                first, done = chunk(line, i)
                line.mark("[link]", first, done)
        elif line.low(i) == "dot" and line.low(i + 1) in TOP_LEVELS:
            last = i + 1
            while line.low(last + 1) == "slash" and last + 2 < len(line.words):
                last += 2
            line.mark("[link]", leftmost(line, i - 1), last)


def domain(line: Line, i: int) -> bool:
    return line.low(i) in TOP_LEVELS and line.words[i].islower()


def leftmost(line: Line, i: int) -> int:
    """Where what ends with words[i] starts: `tarun dot bose`, `tarun_bose`, `tarun . bose`. At most 8 words."""
    first = i = max(i, 0)
    while first > 0 and i - first < 8:
        if joint(line.gaps[first]):
            first -= 1
        elif line.low(first - 1) in PARTS and first > 1:
            first -= 2
        else:
            break
    return first


def rightmost(line: Line, i: int) -> int:
    last = i
    while last + 1 < len(line.words) and last - i < 8:
        if joint(line.gaps[last + 1]):
            last += 1
        elif line.low(last + 1) in PARTS and last + 2 < len(line.words):
            last += 2
        else:
            break
    return last


def mails(line: Line) -> None:
    """`a@b.c` with or without blanks, `a at b dot c`, `a (at) b.c`, `a at gmail`; a word behind an @ is a handle."""
    at = {gap for gap in line.odd if "@" in gap}
    for i, gap in enumerate(line.gaps[:-1]) if at else ():
        if gap in at:
            handle = i == 0 or (gap[0].isspace() and not gap[-1].isspace())
            line.mark("[id]" if handle else "[email]", i if handle else leftmost(line, i - 1), rightmost(line, i))
    for i in line.having(LINK):
        spoken = 2 if (line.low(i + 1), line.low(i + 2)) == ("the", "rate") else 0  # "rose at the rate school dot com"
        if line.low(i) == "at" and 0 < i < len(line.words) - 1 - spoken and (spoken or address(line, i)):
            line.mark("[email]", leftmost(line, i - 1), rightmost(line, i + 1 + spoken))


def address(line: Line, at: int) -> bool:
    if line.gaps[at].rstrip().endswith(BRACKETS) or line.low(at + 1) in MAILERS - {"mail", "live"}:
        return True
    return line.low(at + 2) == "dot" or (joint(line.gaps[at + 2]) and line.low(at + 2) in TOP_LEVELS)


def numbers(line: Line) -> None:
    """Digits that follow one another, in figures or in words, are one number: a long one is nobody else's business."""
    for first, last in runs(line):
        count = sum(digits(line, i) for i in range(first, last + 1))
        clock = last == first + 1 and line.gaps[last] == ":" and count <= 4
        if count > SHORT and not clock:
            line.mark("[phone]" if count >= 7 else "[number]", first, last)


def digits(line: Line, i: int) -> int:
    return DIGITS.get(line.low(i), 0) if line.roles[i] & DIGIT else len(line.words[i])


def runs(line: Line) -> Iterator[tuple[int, int]]:
    """The first and last word of each stretch of digits; `dash` and `oh` part none."""
    first = last = -2
    for i in line.having(NUMBER | DIGIT):
        bridged = i == last + 2 and line.low(i - 1) in BRIDGES
        if not (i == last + 1 or bridged) or new_number(line.gaps[i]):
            if last >= 0:
                yield first, last
            first = i
        last = i
    if last >= 0:
        yield first, last


def new_number(gap: str) -> bool:
    return not glued(gap) and not NUMBER_ENDS.isdisjoint(gap)


def dates(line: Line) -> None:
    """15 February, March 3rd, the fifteenth of May."""
    for i in line.having(MONTH):
        before = i - 2 if line.low(i - 1) == "of" else i - 1
        for day in (before, i + 1):
            gap = line.gaps[max(day, i)] if 0 <= day < len(line.words) else "\n"
            if not ends(gap if line.low(i) == "may" else gap.replace(".", "")) and dayish(line, day):
                line.mark("[date]", min(day, i), max(day, i))


def dayish(line: Line, i: int) -> bool:
    return bool(line.roles[i] & (NUMBER | DIGIT | ORDINAL)) or line.low(i)[:-2].isdigit() or line.marks[i] == "[number]"


def ids(line: Line) -> None:
    """A number behind a word that says whose it is, behind a # or behind a word that nobody knows."""
    for i in line.having(ID):
        j = i + 1
        while line.low(j) in ID_FILLERS and j < i + 4:
            j += 1
        while line.role(j) & (NUMBER | DIGIT | LETTER) and line.words[j] not in ("a", "i", "I"):
            line.mark("[id]", j)
            j += 1
    for i in line.having(NUMBER):
        behind = i > 0 and (line.roles[i - 1] & (UNKNOWN | LETTER) or line.marks[i - 1] == "[id]") and line.marks[i - 1]
        if line.gaps[i].endswith("#") or (behind and not line.marks[i] and not ends(line.gaps[i].replace(".", ""))):
            line.mark("[id]", i)


def logins(line: Line) -> None:
    """What follows `my password is`, `insta:`, `username =`."""
    done = -1
    for i in line.having(LOGIN):
        j = i + 2 if line.low(i + 1) in ("is", "was", "id", "name") else i + 1
        announced = j == i + 2 or any(c in ":=-" for c in line.gaps[i + 1])
        named = done < j < len(line.words) and line.low(j) not in LOGIN_STATES and "\n" not in line.gaps[j]
        if announced and named:
            first, done = chunk(line, j)
            line.mark("[id]", first, done)


def births(line: Line) -> None:
    for i in line.having(BORN):
        for j in range(i + 1, min(i + 6, len(line.words))):
            if line.roles[j] & (MONTH | NUMBER | DIGIT | ORDINAL) or line.low(j)[:-2].isdigit():
                line.mark("[date]", j)


def places(line: Line) -> None:
    """12 Lotus Street, Green Park Colony, near Central Market, Flat 4 Rose Villa."""
    for i in line.having(PLACE):
        first = last = i
        while first > max(0, i - 5) and proper(line, first - 1) and not ends(line.gaps[first]):
            first -= 1
        number = next((j for j in range(i - 1, max(i - 5, -1), -1) if line.roles[j] & NUMBER), None)
        while last + 1 < min(len(line.words), i + 6) and proper(line, last + 1) and not ends(line.gaps[last + 1]):
            last += 1
        first = first if number is None or any(map(ends, line.gaps[number + 1 : i + 1])) else min(first, number)
        if last > first or line.roles[i] & TITLE:
            line.mark("[word]", first, last)
    j = 0
    for i in line.having(PREPOSITION):
        j = max(j, i + 1)  # `In In In`: what stands behind the first has been marked
        while j < len(line.words) and line.roles[j] & (TITLE | CAPS) and not ends(line.gaps[j]):
            line.mark(line.marks[j] or "[word]", j)
            j += 1


def proper(line: Line, i: int) -> bool:
    return bool(line.roles[i] & (TITLE | NUMBER | UNKNOWN | CAPS) or line.marks[i])
