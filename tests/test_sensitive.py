"""Texts about health, safety or violence are recognised, and ordinary ones mostly let go. All people are invented.

tests/cases/sensitive/labelled.csv holds what the words were tuned on. Before its last 32 lines were added they were a
test that the words had not seen: 18 of its 24 sensitive texts were held back, each about school business as well.
"""

import csv
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.protocol import Withheld
from agents.sensitive import topics, withheld
from agents.sensitive.topics import BUSINESS, WORDS, _words
from agents.tickets import Ticket, TicketAgent

CASES = Path(__file__).parent / "cases"
LABELLED = list(csv.DictReader((CASES / "sensitive/labelled.csv").open(encoding="utf-8")))
SENSITIVE = [row["text"] for row in LABELLED if row["label"] != "ordinary"]
ORDINARY = [row["text"] for row in LABELLED if row["label"] == "ordinary"]


def kept_back(subject: str | None, description: str | None) -> str:
    """Why a ticket is not sent; "" when it is."""
    texts: list[str] = []

    def mask(text: str) -> str:
        texts.append(text)
        return text

    try:
        TicketAgent().outgoing(Ticket("T1", subject, description), mask)
    except Withheld as error:
        return str(error)
    return withheld("\n".join(texts))


@pytest.mark.parametrize("text", SENSITIVE)
def test_a_sensitive_ticket_is_kept_back(text):
    assert kept_back(None, text)


def test_a_word_of_business_beside_it_changes_little():
    sent = [text for text in SENSITIVE if not kept_back(text, "The video of lesson 4 does not load.")]
    assert len(SENSITIVE) == 192 and len(sent) <= 2, sent


def test_ordinary_tickets_are_mostly_sent():
    stay = [text for text in ORDINARY if kept_back(None, text)]
    assert len(ORDINARY) == 70 and len(stay) <= 10, stay
    tickets = list(csv.DictReader((CASES / "tickets/labelled.csv").open(encoding="utf-8")))
    stay = [row["id"] for row in tickets if kept_back(row["subject"], row["description"])]
    assert len(tickets) == 282 and len(stay) <= 72, stay  # 16 of them in another language, 20 sensitive indeed


@pytest.mark.parametrize(
    "written",
    [
        *(
            "SUICIDE",
            "suïcide",
            "su\u00adicide",
            "su\u200bici\u200dde",
            "ѕuiсidе",
            "su1c1de",
            "5uicide",
            "sui-cide",
            "sui_cide",
        ),
        *(
            "s.u.i.c.i.d.e",
            "s u i c i d e",
            "suiiiicide",
            "suicidee",
            "suicde",
            "siucide",
            "sui**de",
            "ｓｕｉｃｉｄｅ",
            "𝓼𝓾𝓲𝓬𝓲𝓭𝓮",
        ),
        *(
            "suicide's",
            "'suicide'",
            "(suicide)",
            "suicidal",
            "suicides",
            "suicide,suicide",
            "#suicide",
            "*suicide*",
            "su!cide",
        ),
    ],
)
def test_a_word_is_met_however_it_is_written(written):
    assert "self_harm" in topics(f"The course, and {written} again")


@pytest.mark.parametrize(
    "subject, description",
    [("Self", "harm in lesson 4"), ("Course: I want to", "die"), ("The course: I am", "disabled, please help")],
)
def test_subject_and_description_are_read_as_one(subject, description):
    assert kept_back(subject, description) == "sensitive"
    assert not withheld(description) or not withheld(subject)


@pytest.mark.parametrize(
    "text",
    [
        "I'll pay the fee",
        "we'll upload it",
        "my skills",
        "screenshot",
        "troubleshooting",
        "classes",
        "grapes",
        "pillow fee",
    ],
)
def test_a_word_in_another_is_not_met(text):
    assert topics(text) == set()


@pytest.mark.parametrize(
    "text, why",
    [
        ("Mi profesor de la clase no carga el curso", "unread_language"),
        ("The certificate is late, मेरा नाम गलत है", "unread_language"),
        ("Сертификат не пришёл", "unread_language"),
        ("The λ in question 4 is wrong", ""),
        ("Thank you, café René was lovely, great course 👍", ""),
        ("asdf", "no_business"),
        ("He pushed somebody near the gate", "no_business"),
    ],
)
def test_what_cannot_be_judged_stays(text, why):
    assert kept_back(None, text) == why


@given(st.text())
def test_no_text_breaks_it(text):
    assert withheld(text) in ("", "sensitive", "unread_language")


@given(st.text(), st.text())
def test_no_surroundings_hide_a_word(before, after):
    assert withheld(f"{before} suicide {after}") == "sensitive"


@pytest.mark.parametrize(
    "cell", ["a", "a-", "1a", "a*", "kill ", "a ", "'", "a'b", "e\u0301", "\u0301", "want to ", "😀", "ж ", "i am not "]
)
def test_a_hostile_cell_takes_linear_time(cell):
    def seconds(size: int) -> float:
        text = (cell * size)[:size]
        started = time.perf_counter()
        withheld(text)
        return time.perf_counter() - started

    withheld("warm " * 10)
    small, large = seconds(20_000), seconds(200_000)
    assert large < max(40 * small, 2.0)


def test_the_list_is_well_formed():
    words = _words()
    assert len(words.words) + len(words.stems) > 1500 and len(words.phrases) > 150
    assert not [stem for stem in words.stems if len(stem) < 3], "a stem of two letters is in every other word"
    assert not [
        entry for entry in (*words.words, *words.stems) if not entry.isalpha() and BUSINESS not in words.exact(entry)
    ]
    assert WORDS.read_text(encoding="utf-8").count("*,") > 300
