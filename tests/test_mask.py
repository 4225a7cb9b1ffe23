"""What identifies a person doesn't survive the mask; what a ticket is about does. All people are invented."""

import csv
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.masking.mask import masker
from agents.masking.vocabulary import vocabulary

PEOPLE = [
    "Asha Rao",
    "Grace Hopewell",
    "Will Young",
    "Mark Hope",
    "Rose Hunter",
    "Dev Anand",
    "Tarun Bose",
    "Siobhan O'Brien",
    "Ángel Núñez",
    "Mary-Rose Fernandes",
    "Amber Stone",
    "Joy",
    "Sunny Baker",
    "Ravi Kumar Sharma",
    "Faith Rivers",
    "李小龙",
]
MASK = masker(PEOPLE)

# Between « and » stands what must not be left. Each is tried within a sentence, alone and as a line.
PLANTED = """
names of students
«Asha Rao»|«asha rao»|«ASHA RAO»|«Asha»|«asha»|«ASHA»|«Rao, Asha»|«rao asha»|«A. Rao»|«Asha R.»|«asha_rao»
«asha.rao»
«AshaRao»|«asharao»|«Asha-Rao»|«Asha's» course|«Asha’s» course|«Tarun Bose»|«tarun bose»|«T. Bose»
«Siobhan O'Brien»
«Siobhan O’Brien»|«siobhan obrien»|«SIOBHAN O BRIEN»|«Ángel Núñez»|«Angel Nunez»|«angel nunez»
«Ravi Kumar Sharma»
«ravi sharma»|«Ravi K. Sharma»|«Mary-Rose Fernandes»|«mary rose fernandes»|«Mary Fernandes»|«Dev Anand»
«dev anand»
names that are words
I asked «Grace» for help|«Grace» never answers|my friend «Grace Hopewell» left|«grace hopewell» left
ask «Rose» please
I met «Will» there|tell «Will Young» that|«will young»|«WILL YOUNG»|«young will»|«Mark Hope»|«mark hope»
«hope mark»
ask «Mark» or call|I am «will»|I am «Grace»|i am «grace»|my name is «will»|My name is «Hope»
my name is «rose hunter»
this is «mark»|This is «Joy» from class|I'm «rose»|i'm «faith»|it is «grace» here|call me «grace»|call me «Will»
thank you, regards «rose»|Regards,\\n«Rose»|regards\\n«mark hope»|Yours sincerely, «Will»|Thanks, «Grace»
cheers, «joy»
Mr «Young»|mr «young»|Mrs. «Rivers»|Ms «Hunter»|ms «hunter»|Dr. «Stone»|Prof «Hope»|Miss «Faith»|«Sunny Baker»
«sunny baker»|«Amber»|full of «joy»|«amber stone»|«Amber Stone»|«Rose Hunter's» marks
«faith rivers»|FROM «GRACE HOPEWELL»
names of others
my mother «Lakshmi» paid|my father «suresh»|my brother «Hunter Brown»|my teacher Mr «Whistle»|mr «whistle»
Dr «Baker»
my name is «Zoltan»|I am «Hyacinth Bucket»|I am «Olumide»|regards, «Nkechi»|«Jean-Luc Moreau»|«María José»
van «der Berg»
«Pooja Ben Patel»|my sister «Penny Lane»|my guardian: «Summer King»|Name: «Summer King»|name : «brooke»
«Mohd. Irfan»
«李小龙»|«Наталья»|«आशा राव»|«محمد»|«Γιώργος»|«さくら»|«김민수»|«ஆஷா»
names in disguise
«А»«sha»|«Аsha Rао»|«as\u200bha»|«A\u00adsha»|«ａｓｈａ»|«𝐀𝐬𝐡𝐚»|«ⓐⓢⓗⓐ»|«A s h a»|«A-s-h-a»|«A.S.H.A»|«as-ha»|«a5ha»
«@sha»
«gr4ce»|«G r a c e»|«g-r-a-c-e»|«gr-ace»|«gr_ace»|«gRaCe»|«Gráce»|«G\u200dr\u200dace Hopewell»|«\u202eahsa»
«ashaaa»
«Gr\u0435ce»|«R\u043ese Hunter»|«𝓡𝓸𝓼𝓮» helped|«ʀᴏsᴇ»|«W\u2060ill Young»
mails
«asha@example.com»|«ASHA.RAO@EXAMPLE.COM»|«grace.hope@school.edu»|«grace_hope@school.in»|«rose+exam@mail.co.in»
«tarun dot bose at example dot com»|«grace dot hope at school dot com»|«grace at gmail»
«rose (at) school (dot) com»
«rose[at]school[dot]com»|«mark {at} school . com»|«mark @ school . com»|«mark . hope @ school . com»
«hope at school dot in»
«grace underscore hope at yahoo dot com»|mailto:«rose@school.org»|«rose＠school．com»|«rose@localhost»
«hope AT gmail DOT com»|«grace at the rate school dot com»
phones
«98%450%12345»|«98;450;12;345»|«98 dash 450 dash 12345»|«98 ~ 450 ~ 123»
«9845012345»|«98450 12345»|«98450-12345»|+91 «98450 12345»|+«91-98450-12345»|(«0471») «234-5678»
«98.45.01.23.45»
«9 8 4 5 0 1 2 3 4 5»|«９８４５０１２３４５»|«٩٨٤٥٠١٢٣٤٥»|«nine eight four five zero one two three»
«98 four five 01 two 3 45»
«nine, eight, four, five, zero»|«double nine eight triple four five»|«98_45_01_23»|«98450/12345»|«555 010 22»
«55501\\n00022»
ids
«STU001»|«stu-001»|«STU 001»|«S T U 0 0 1»|«TKT12»|tkt «12»|my id is «STU022»|student id «22»|student «7»
roll no «12»
roll number: «12»|Roll No. «7»|order «77»|order number «99»|order #«99»|#«123»|ticket no «12»|ref: «TX99A1»
txn «88»
transaction id pay_«29QQoUBi66xm2f»|«1234 5678 9012»|«123456789012»|«1234-5678-9012»|«ABCDE1234F»
PAN «ABCDE 1234 F»
«4111 1111 1111 1111»|account no «321»|invoice «INV/2024/17»|«MH12AB1234»|passport «K1234567»|otp «493»
pin «560»
roll no «twelve»|application number «42»|«550e8400-e29b-41d4-a716-446655440000»|«deadbeefcafe»
admission no. is «55»
names behind a relation
Name - «summer»|my son «will» failed|my friend «grace» left|name=«grace»
names before a title
ask «rose» ma'am|«Brown» sir scolded me|«grace» madam|«mark» here|«Young» sir
links and handles
«linkedin dot com slash in slash rose»|my number is «nine eight four o five one»
see «rose . com»|insta - «sunflower»
«https://example.com/grace-hope»|«http://bit.ly/Rose»|«www.rosehunter.in»|«school.com/rose»|«rosehunter.com»
«hxxps://school.com/mark»|«rose dot com slash hope»|«linkedin.com/in/mark-hope»|@«rosehunter»|@«grace»
@«rose_hunter»
insta: «sunflower»|my username is «sunflower»|my password is «sunshine»|password: «butterfly»
telegram id «moonlight»
skype is «live:rose.hunter»|«file:\\\\server\\mark»
addresses
I live at «12 Lotus» Street|flat «4B, Rose Villa»|Flat no «12», «Green Park»|house no «7»|room «21»
«22 baker» street
near «Central Market»|opposite «City Mall»|in «Thiruvananthapuram»|from «Kolkata»|«14/2 Brigade» Road
pin «560001»
sector «21», «Noida»|plot «9», «Hill» Road|«221B Baker» Street
dates of birth
born on «15 February 2004»|dob «15/02/2004»|dob: «15-2-04»|my birthday is «3 March»|born «fifteenth of may»
born in «2004»
DOB «2004-02-15»|born on «15th Feb»|«Feb 15, 2004»|date of birth «15.02.2004»|born «nineteen ninety nine»
birthday «May 3rd»
"""
CASES = [case.replace("\\n", "\n") for line in PLANTED.splitlines() if "«" in line for case in line.split("|")]
CARRIERS = ("Please see to it that {} gets an answer.", "{}", "The video stops.\n{}\nThen it loads again.")
STAY = {"at", "dot", "com", "in", "org", "edu", "live", "slash", "underscore", "of", "ben", "is"}


def pieces(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


def test_there_are_two_hundred_of_them():
    assert len(CASES) >= 200 and len(set(CASES)) == len(CASES)


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_identifies_a_person_is_left(case):
    secret = pieces(" ".join(re.findall("«(.*?)»", case, re.S))) - STAY
    for carrier in CARRIERS:
        masked = MASK(carrier.format(re.sub("[«»]", "", case)))
        assert not secret & (pieces(masked) - pieces(carrier)), masked


UNCHANGED = """
Every time I sign in, the page throws me back to the sign-in form. My quiz closes tonight.
The upload stops at 99% and then says "file too large", although it has 2 MB and the limit is 20 MB.
I finished Python for beginners. Which course would you suggest for somebody who wants to become a data engineer?
I hope you will answer. May I have ten more days? Will you mark my second test? I love this course.
Three weeks, four mails, no answer. I am angry and very disappointed; nobody seems to care.
I WANT MY MONEY BACK NOW!!! This is a scam. I don't understand why it wasn't refunded in 2 weeks.
Module 3 is excellent, the 2nd quiz isn't. On Monday at 10am it crashed again (error in Excel).
It's been 24/7 trouble: the app doesn't load, I can't log in, and my certificate isn't there.
"""


@pytest.mark.parametrize("text", UNCHANGED.strip().splitlines())
def test_what_a_ticket_is_about_stays(text):
    assert MASK(text) == text


@pytest.mark.parametrize(
    "text, masked",
    [
        ("I am Asha Rao (STU001, asha@x.in), call 98450 12345", "I am [name] ([id], [email]), call [phone]"),
        ("Paid ₹50,000 on 15 February, see https://a.b/c", "Paid ₹[number] on [date], see [link]"),
        ("grace said: ask Grace", "grace said: ask [name]"),  # in lower case, alone, it's a word like others
        ("Grace Hopewell's quiz. Will I pass?", "[name] quiz. Will I pass?"),
    ],
)
def test_a_placeholder_says_what_stood_there(text, masked):
    assert MASK(text) == masked


def test_tickets_of_the_sample_data_keep_nine_words_in_ten():
    files = sorted(Path("data").glob("*/support_tickets.csv"))
    texts = [row["description"] or "" for file in files for row in csv.DictReader(file.open(encoding="utf-8"))]
    words = sum(len(text.split()) for text in texts)
    left = sum(len(MASK(text).split()) - MASK(text).count("[") for text in texts)
    assert texts and left > 0.9 * words


@pytest.mark.parametrize(
    "text", [None, 7, "", " ", "\n", "\0", "\ud800", "@", "at", "dot com", "://", "....", "'", "#1", "a" * 10**6]
)
def test_any_input_gives_a_text(text):
    assert isinstance(MASK(text), str)


LETTERS = st.text(st.sampled_from("asha rao tarun bose 0123456789.-_@'/\u0600\u093e\u20ddÀАａ⁂\ud800\n"), max_size=60)


@given(st.text(max_size=200) | LETTERS)
def test_nothing_leaves_but_words_of_the_vocabulary_small_numbers_and_placeholders(text):
    masked = MASK(text)
    masked.encode("utf-8")
    assert masked == masker(PEOPLE)(text)
    words = vocabulary().ordinary
    for word in re.findall(
        r"[^\W_]+(?:'[^\W_]+)*", re.sub(r"\[(?:name|email|phone|id|link|number|word|date)\]", " ", masked)
    ):
        low = word.lower()
        assert low in words or low.split("'")[0] in words or re.fullmatch(r"\d{1,3}[a-z]*|[a-z]", low), (word, masked)


FULL = st.sampled_from(
    [["will", "young"], ["mark", "hope"], ["sunny", "baker"], ["faith", "rivers"], ["rose", "hunter"]]
)
CASE = st.sampled_from([str.lower, str.upper, str.title, str.swapcase])
JOIN = st.sampled_from([" ", "  ", "-", "_", ".", ", ", "\n", " / ", "\u200b ", " \u00b7 ", " j. "])


@given(FULL, CASE, CASE, JOIN, st.booleans(), st.sampled_from(["", "I think ", "ASK ", "Dear sir, "]))
def test_a_whole_name_of_ordinary_words_never_stays(name, first, second, join, turned, before):
    a, b = name[::-1] if turned else name
    assert not set(name) & pieces(MASK(f"{before}{first(a)}{join}{second(b)} said so")), (a, join, b)


FRAGMENTS = [
    "Asha",
    "rao",
    "will",
    "Grace",
    "hope",
    "@",
    "at",
    "dot",
    "com",
    " ",
    ".",
    ", ",
    "\n",
    "42",
    "98450",
    "no",
    "is",
    "I am",
    "(",
    "#",
    "://",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(" ".join))
def test_no_arrangement_lets_an_unknown_word_or_a_long_number_out(text):
    assert not {"asha", "rao", "98450"} & pieces(MASK(text))


@pytest.mark.parametrize(
    "unit", ["a.", "a@", "a at ", "A ", "1 ", "at dot ", "Rose ", "flat 1 ", "://a ", "a_b-c+", "is my name is "]
)
def test_a_long_text_costs_in_proportion_to_its_length(unit):
    started = time.perf_counter()
    MASK(unit * 50_000)
    assert time.perf_counter() - started < 10


def test_word_lists_are_read_when_the_first_masker_is_made():
    reads = "m.vocabulary.cache_info().misses"
    code = f"import agents.masking.mask as m; before = {reads}; m.masker([]); print(before, {reads})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1"]
