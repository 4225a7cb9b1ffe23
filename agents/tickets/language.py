"""Which language a text is in, as far as it matters: English, another one, or none at all."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "other", "none"]

LONGEST = 8000  # characters that are read of one text: a pasted log says nothing more about its writer
_WORD = re.compile(r"[^\W\d_]+")
_LATIN = frozenset("éèñçöäüßàáâêíóúôœ")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = _words(
    """
    the a i my is was and to of for in it this that you have not with on are be at but please can could would when
    what how your from there so if has been do does did will we they or as an by which who where am were our all more
    any good great thanks thank very never nothing again still get got need i'm it's don't
    """
)
# Hindi in Latin letters, Spanish, German, French, Portuguese, Italian: small words that English does not have.
FOREIGN = _words(
    """
    hai hain nahi nahin kya kaise mera meri mere mujhe aap aapka kripya gaya gayi gaye raha rahi rahe kar karo kare
    karna bhai bahut accha acha ache ka ki ke ko se aur kyun abhi tak wala wale wali hum yeh ye woh mein koi kuch bhi
    toh paisa paise bohot jaldi el la los las de que y en un una por para con mi mis hace muy pero quisiera hola
    gracias es del al lo su hasta desde ich der und ist nicht ein eine einen mit kann habe bitte sie wir auf dem den
    zu von vielen dank noch kein keine wie wann meine je le les des une et est pas pour ce cette vous nous mais avec
    merci bonjour dans du ne sur mon ma meu minha obrigado obrigada uma com ainda il non che per grazie sono mio ho
    ancora della
    """
)


def language(text: str) -> Language:
    """en, other, or none for a text without a word. Small words decide; a text without any of them is English."""
    words = _WORD.findall(text[:LONGEST].lower())
    if not words:
        return "none"
    letters = "" if text.isascii() else "".join(words)
    if sum(not letter.isascii() and letter not in _LATIN for letter in letters) * 3 > len(letters) > 0:
        return "other"
    english = sum(map(ENGLISH.__contains__, words))
    foreign = sum(map(FOREIGN.__contains__, words))
    if not text.isascii():
        foreign += sum(not word.isascii() for word in words)
    return "other" if foreign > english else "en"
