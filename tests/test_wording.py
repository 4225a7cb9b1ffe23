"""What a model's words must not hold: addresses, domains, phone numbers, accusations, and what is private."""

from decimal import Decimal

import pytest

from agents.causes import CAUSES
from agents.insights import NO_DATA, NO_DATA_ACTIONS
from agents.protocol import Unusable
from agents.risk import IF_CRITICAL, INTERVENTIONS
from agents.tickets.replies import ANSWERING, CLOSINGS, MENDING, OPENINGS, UNREAD
from agents.wording import checked
from pipeline.definitions import METRICS

ALLOWED = (2, 3, 10, 12, 40, 100, 98.5, Decimal("22.00"), 1234567)


def verdict(text: str) -> str:
    try:
        return "" if checked(text, 600, ALLOWED, ["2024-02-09"]) else "empty"
    except Unusable as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Write to help@school.example.",
            "Write to help (at) school.",
            "See evil.example for more.",
            "Visit EVIL.COM now.",
        ),
        *(
            "Visit Evil.Com now.",
            "Visit evil dot com today.",
            "Visit evil (dot) com.",
            "Go to evil . com",
            "Go to evil. com",
        ),
        *(
            "Go to sub.evil.co.in please.",
            "Look at t.me/free",
            "ftp://x",
            "hxxp evil",
            "mailto:me",
            "See пример.рф",
            "evil。com",
        ),
        *(
            "evil．com",
            "xn--e1afmkfd.com",
            "wa.me/123",
            "Message us on WhatsApp.",
            "Open localhost.",
            "Open 10.0.0.1 there.",
        ),
        *(
            "Come to 12 Lotus Street.",
            "Meet at Lotus Street.",
            "Send it to PO Box 12.",
            "Flat 12, Rose building.",
            "12, m g road",
        ),
        *("Hauptstraße 12", "Am Marktplatz 12", "12 rue de Rivoli", "The pin code is 100", "Meet at Gandhi Nagar."),
    ],
)
def test_an_address_is_refused(text):
    assert verdict(text) in ("address", "markup")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Call +91 98450 12345.",
            "Call 98450 12345.",
            "Dial 100 now.",
            "Call us on 100.",
            "Ring 100",
            "Phone 040-1234567",
        ),
        *(
            "Text 1234 56 78 90.",
            "Ring nine eight four five zero one.",
            "(040) 123 4567",
            "+44",
            "double two three four five",
        ),
    ],
)
def test_a_phone_number_is_refused(text):
    assert verdict(text) == "phone_number"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "The student cheated.",
            "She stole the fees.",
            "Somebody is lying to the school.",
            "The clerk is a liar.",
            "He hit him.",
        ),
        *(
            "He is violent.",
            "He is on drugs.",
            "He abuses others.",
            "The data was falsified.",
            "The school is committing fraud.",
        ),
        *("The parents are dishonest.", "The clerk is to blame.", "The student is lazy.", "The work was plagiarised."),
        *("A careless clerk did it.", "He ch3ated.", "He st0le it.", "She is a th-ief.", "He was caught with a knife."),
        *(
            "Someone bullies the student.",
            "Rows were tampered with.",
            "The family is hiding the truth.",
            "He took the money.",
        ),
        *(
            "They refuse to pay and evade: defaulters.",
            "The students skip class: truancy.",
            "Corruption in the fees office.",
        ),
        *(
            "The teacher is incompetent.",
            "He smokes in the yard.",
            "CHEATERS everywhere.",
            "He lied about the marks.",
            "s t o l e n",
        ),
    ],
)
def test_an_accusation_is_refused(text):
    assert verdict(text) == "accusation"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "The student may be depressed.",
            "She is pregnant.",
            "Because of her religion she stays away.",
            "Probably ill.",
        ),
        *("There may be suicidal thoughts.", "A disability may be the reason.", "He does not feel safe at home."),
    ],
)
def test_what_a_model_cannot_know_of_a_person_is_refused(text):
    assert verdict(text) == "sensitive_words"


ORDINARY = """
Several things came together here; a talk would help.
Attendance was 40 percent as of 2024-02-09, and 98.5 percent before.
1234567 rows were read, 12 were rejected. Of 1,234,567 rows, 12 are left.
Most problems lie in the date column; the cause lies with the export.
Use students.csv, e.g. in the form of last week, or roster.xlsx.
The row is corrupt because a comma is missing.
Call the families of the 12 students. Call 100 families, the oldest tickets first.
Phone numbers and e-mail addresses are missing in 12 rows. Set the address column to text.
A dot instead of a comma stands in the amounts.
The student was last active 12 days ago and the payment is PENDING.
Two unhappy support tickets were opened in the last 40 days.
Three of ten metrics got worse. Attack the largest cause first.
The road ahead is short. High-risk students need a talk this week.
The file was read.The rest is fine. Fees are due, i.e. open, for 12 students.
Open tickets: 12; closed tickets: 3. Engagement is healthy.
Mean completion is 22.00 %, below the threshold; a parent can join the talk where that fits.
Invite the student and the parents to a talk at school.
""".strip().splitlines()
OURS = [
    *(f"{cause.wording} {cause.advice}".format(column="enrollment date", earliest=1950) for cause in CAUSES.values()),
    *(
        *(each.action.format(days=7) for each in METRICS),
        *NO_DATA,
        *NO_DATA_ACTIONS,
        *INTERVENTIONS.values(),
        IF_CRITICAL,
    ),
    *(*OPENINGS.values(), *CLOSINGS.values(), *MENDING.values(), *ANSWERING.values(), *UNREAD.values()),
]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_sentence_is_taken(text):
    assert verdict(text) == ""


@pytest.mark.parametrize("text", OURS)
def test_what_the_rules_themselves_say_would_be_taken(text):
    assert verdict(text) in ("", "number_not_in_facts") or ".com, or the @" in text
