"""What a ticket is about, in words that can be counted: the key issues.

An issue is a topic of subjects.toml in a certain situation: videos, and something fails; a refund, and it is asked for.
The table says it all; its codes are the vocabulary of `TicketOpinion.key_issues`, in order of weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agents.tickets.words import Sentence

MOST_ISSUES = 5  # of one ticket


class Issue(NamedTuple):
    """code: as it is reported. tags: all must be in one sentence. when: "fails" (something there fails), "asks", "".
    category: what it speaks for; "" = none."""

    code: str
    tags: frozenset[str]
    when: str
    category: str


def _issue(code: str, tags: str, when: str, category: str) -> Issue:
    return Issue(code, frozenset(tags.split(", ")), when, category)


ISSUES = (
    _issue("safety_concern", "harm", "", "Complaint"),
    _issue("fraud_accusation", "crime", "", "Complaint"),
    _issue("legal_threat", "threat", "", "Complaint"),
    _issue("money_taken", "money gone", "", "Payment"),
    _issue("rude_treatment", "mistreated", "", "Complaint"),
    _issue("refund_pending", "about refund", "fails", "Payment"),
    _issue("refund_requested", "about refund", "asks", "Payment"),
    _issue("discount_refused", "about discount", "fails", "Payment"),
    _issue("payment_failed", "about payment", "fails", "Payment"),
    _issue("payment_question", "about fees", "asks", "Payment"),
    _issue("invoice_wrong", "about invoice", "fails", "Billing"),
    _issue("invoice_needed", "about invoice", "asks", "Billing"),
    _issue("certificate_problem", "about certificate", "fails", "Certificate"),
    _issue("certificate_question", "about certificate", "asks", "Certificate"),
    _issue("login_failed", "about login", "fails", "Technical"),
    _issue("password_reset", "about login", "asks", "Technical"),
    _issue("upload_failed", "about upload", "fails", "Technical"),
    _issue("video_playback", "about video", "fails", "Technical"),
    _issue("audio_problem", "about audio", "fails", "Technical"),
    _issue("live_class_access", "about live class", "fails", "Technical"),
    _issue("app_problem", "about app", "fails", "Technical"),
    _issue("page_error", "about page", "fails", "Technical"),
    _issue("progress_lost", "about progress", "fails", "Technical"),
    _issue("exam_trouble", "about exam", "fails", "Academic"),
    _issue("grade_disputed", "about grade", "fails", "Academic"),
    _issue("attendance_disputed", "about attendance", "fails", "Academic"),
    _issue("extension_requested", "about extension", "asks", "Academic"),
    _issue("schedule_change", "about batch", "asks", "Academic"),
    _issue("content_outdated", "about old", "", "Content"),
    _issue("content_error", "about content", "fails", "Content"),
    _issue("pace_or_level", "about pace", "", "Content"),
    _issue("no_reply", "waiting, about reply", "", "Support"),
    _issue("long_wait", "waiting", "", ""),
    _issue("account_change", "about profile", "asks", "Support"),
    _issue("career_promise", "about job", "fails", "Career"),
    _issue("career_question", "about job", "asks", "Career"),
)
CODES = frozenset(issue.code for issue in ISSUES)


def issues_in(
    sentences: list[Sentence], titles: int, failing: Sequence[bool], asking: Sequence[bool]
) -> tuple[Issue, ...]:
    """The issues of a ticket, the weightiest first.

    titles: how many of the sentences are its subject; what fails or is asked for in the sentence after counts for them.
    failing, asking: of each sentence, whether something fails or is asked for there.
    """
    found: dict[frozenset[str], Issue] = {}  # one per topic: a certificate that is late and asked for is late
    present = frozenset().union(*(sentence.tags for sentence in sentences))
    for issue in ISSUES:
        if issue.tags <= present and issue.tags not in found:
            said = {"fails": failing, "asks": asking}.get(issue.when)
            for place, sentence in enumerate(sentences):
                reach = place + 2 if place < titles else place + 1
                if issue.tags <= sentence.tags and (said is None or any(said[place:reach])):
                    found[issue.tags] = issue
    return tuple(found.values())[:MOST_ISSUES]
