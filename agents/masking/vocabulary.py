"""The words that may leave the machine, and the few that say what stands beside them.

The lists of ordinary words are in wordlists/ (see its README); they're read when the first masker is made.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

WORDS = Path(__file__).parent / "wordlists"


@dataclass(frozen=True)
class Vocabulary:
    """ordinary: in lower case. common: those anybody knows. names: those that are also somebody's name.

    written: forms with a capital that are no name where they stand (`Python`, `Monday`).
    """

    ordinary: frozenset[str]
    common: frozenset[str]
    names: frozenset[str]
    written: frozenset[str]


@functools.cache
def vocabulary() -> Vocabulary:
    lines = [line.split() for line in (WORDS / "english.txt").read_text(encoding="ascii").splitlines()]
    school = [line for line in (WORDS / "school.txt").read_text(encoding="ascii").splitlines() if line[:1] != "#"]
    own = {word for line in school for word in line.split()}
    small = {word.lower() for word in own}
    return Vocabulary(
        ordinary=frozenset(line[0] for line in lines) | small,
        common=frozenset(line[0] for line in lines if len(line) > 1) | small,
        names=frozenset(line[0] for line in lines if line[1:] == ["n"]) - small,
        written=frozenset(word for word in own if not word.islower()),
    )


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A known name that is one of these is left at the start of a sentence: there it is nearly always the verb.
VERBS = _set("will may can hope mark love see so an art don my long any much please do does did rich best")

# Never taken for the name that a title or `my name is` announces, nor for the half of a name beside another half
FILLERS = _set(
    "i a an the and or but if so to in on at of for from by with as is was are were be been has have had do does"
    " did not no yes my your his her our their me you he she it we they this that these those there here who what"
    " when where why how which can could may will would should please dear hi hello hey thanks thank regards"
    " kindly since because after before until also just still now then sir madam ma'am mr mrs ms miss dr prof said"
    " told says wrong being spelled spelt misspelled missing incorrect written printed shown blank"
)

HONORIFICS = _set("mr mrs ms miss dr prof professor master shri smt sri")
# `Rose ma'am`, `Brown sir`, `grace here`
BEHIND = _set("sir ma'am madam mam miss maam ji bhai didi here")
SIGNATURES = _set("regards sincerely faithfully cheers yours truly respectfully obediently love thanks wishes")
# The word before `is` or a colon; `I am`, `this is` and their like come as pairs
NAMERS = _set(
    "name named called surname firstname lastname myself father mother parent guardian sender student teacher son"
    " daughter brother sister friend wife husband cousin mom mum dad uncle aunt classmate roommate tutor mentor"
)
WEAK_PAIRS = frozenset({("i", "am"), ("this", "is"), ("it", "is"), ("am", "i"), ("called", "me"), ("call", "me")})
WEAK = _set("i'm im it's its named called myself")

ID_CUES = _set(
    "roll room house flat plot door order ticket student id ids txn transaction ref reference invoice receipt"
    " application registration reg enrolment enrollment admission account card pin pincode otp apartment block"
    " sector floor hostel bed seat locker number numbers no num nr code case gate"
)
ID_FILLERS = _set("no number num nr id is was code ref my the of")
LOGIN_CUES = _set(
    "password passcode username userid login handle telegram instagram insta skype discord twitter facebook"
    " snapchat linkedin signature"
)
LOGIN_STATES = _set(
    "not wrong incorrect invalid expired rejected being the a an still never no gone lost always working correct"
    " broken too very so now also in on for it this that my blocked locked disabled missing required needed"
    " accepted impossible"
)

PLACES = _set(
    "street road lane avenue apartment apartments flat house plot colony sector block hostel building cross villa"
    " villas tower towers garden gardens residency society phase floor opposite near behind beside village"
    " district pincode"
)
PREPOSITIONS = _set("in at from near opposite behind beside")
BIRTH = _set("born birth birthday dob birthdate")

MONTHS = _set(
    "january february march april may june july august september october november december jan feb mar apr jun"
    " jul aug sep sept oct nov dec"
)
ORDINALS = _set(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
    " fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
)
# How many digits a word stands for
DIGITS = {
    **dict.fromkeys(_set("zero nought one two three four five six seven eight nine double"), 1),
    **dict.fromkeys(_set("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen triple"), 2),
    **dict.fromkeys(_set("twenty thirty forty fifty sixty seventy eighty ninety"), 2),
    **dict.fromkeys(_set("hundred thousand"), 0),
}

TOP_LEVELS = _set("com org net edu gov io in co info app dev ai uk us")
MAILERS = _set(
    "gmail googlemail yahoo ymail hotmail outlook rediffmail rediff icloud proton protonmail zoho live aol mail"
)
GRADERS = _set("grade grades section part option class level plan group set question answer point row type batch")
