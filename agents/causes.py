"""Why rows go wrong: reason codes and rules of the cleaning, the likely cause of each, and what a school can do.

A reason code is a column and an ending (`dob_out_of_range`), or stands alone (`field_count`). An ending can mean
several things (`_invalid` of a date, of a phone), so the kind of the column decides: the name of its cleaning rule, or
what its own name suggests.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Cause(NamedTuple):
    """code: what is reported. wording, advice: plain sentences; {column} stands for the column(s) it is about,
    {earliest} for the first year of which a day is believed."""

    code: str
    wording: str
    advice: str


CAUSES = {
    cause.code: cause
    for cause in (
        Cause(
            "separator_not_quoted",
            "Cells that hold a comma of their own, such as May 15, 1999, come without quotation marks, so the row falls"
            " into too many cells. It could be put together again.",
            "Have the export put quotation marks around cells with a comma, or write dates as 1999-05-15.",
        ),
        Cause(
            "row_broken",
            "Rows have too few or too many cells: a cell was cut off, holds a line break, or holds the separator.",
            "Open the rejected rows in the reject file, correct their number of cells, and send that file back.",
        ),
        Cause(
            "record_damaged",
            "Lines of the file are no readable records, as when a transfer stops half-way.",
            "Export and send the file again; if it stays, ask whoever runs the other system.",
        ),
        Cause(
            "key_unusable",
            "The {column} is empty or no id, so it can't be said which row this is.",
            "Fill in the {column} of the rejected rows; an id is letters and then digits, such as STU001.",
        ),
        Cause(
            "dates_mixed",
            "The {column} can't be read as a date: day and month may be swapped (02/31/2024), or it is text.",
            "Set the column {column} to the form 2024-05-15 in the program that makes the export.",
        ),
        Cause(
            "dates_implausible",
            "The {column} is before {earliest} or after the day of the file: a default such as 1900-01-01, or a wrong"
            " year.",
            "Look at the year of {column} in the listed rows; leave it empty where it is not known.",
        ),
        Cause(
            "phone_spoilt",
            "The {column} has not the right number of digits. A spreadsheet turns long numbers into 9.87E+09 and drops"
            " leading zeros.",
            "Format the column {column} as text in the spreadsheet before the numbers are typed or pasted.",
        ),
        Cause(
            "address_mistyped",
            "The {column} is no complete address: a part such as .com, or the @, is missing.",
            "Ask the students concerned for their {column} again, and check it when it is typed in.",
        ),
        Cause(
            "number_as_text",
            "The {column} is no number: a word, a unit or a formula error stands in its place.",
            "Keep the column {column} to plain numbers; put remarks into a column of their own.",
        ),
        Cause(
            "sign_wrong",
            "The {column} is below zero, as when a refund is written as a negative fee. It was read without the sign.",
            "Record refunds by the payment status, not by a negative {column}.",
        ),
        Cause(
            "scale_wrong",
            "The {column} lies outside 0 to 100: perhaps points were entered where a percentage is meant.",
            "Check whether {column} is exported as a percentage.",
        ),
        Cause(
            "score_impossible",
            "More points than there were to get, or a maximum of zero: two columns may be swapped.",
            "Check points and maximum of the rejected results in the reject file, and send it back.",
        ),
        Cause(
            "value_impossible",
            "The {column} lies outside what it can be, or contradicts another column of its row: two columns may be"
            " swapped, or another scale was used.",
            "Check the {column} of the rejected rows in the reject file, and send it back.",
        ),
        Cause(
            "city_unknown",
            "The {column} is not in the city list, nor close enough to one that is.",
            "Add new places and usual misspellings to city_master.csv; correct real mistakes at the source.",
        ),
        Cause(
            "state_contradicts",
            "State and city do not belong together: one of them was chosen by mistake.",
            "Check city and state of the listed students.",
        ),
        Cause(
            "word_unknown",
            "The {column} holds words that are not in the agreed list.",
            "Choose the {column} from a list instead of typing it, or tell us which new word means what.",
        ),
        Cause(
            "form_unknown",
            "The {column} is not written in a form that can be read.",
            "Write {column} in one way everywhere, such as CLASS-10A for a class and 10 for a grade.",
        ),
        Cause(
            "left_empty",
            "The {column} is empty.",
            "Make {column} a required field in the form or program where it is entered.",
        ),
        Cause(
            "sent_twice",
            "An id comes more than once in one file: two exports were put together, or a form was saved twice.",
            "Export each period once, and remove repeated rows before sending. The last row of an id was taken.",
        ),
        Cause(
            "written_differently",
            "Most values of {column} had to be rewritten into the common form. Nothing is lost by it.",
            "Nothing has to be done. Files are easier to compare when {column} has the form of the data dictionary.",
        ),
        Cause(
            "other",
            "Something is wrong with {column}.",
            "Look at {column} in the listed rows.",
        ),
    )
}

# Reason codes that stand alone.
ALONE = {
    "field_rejoined": "separator_not_quoted",
    "field_count": "row_broken",
    "record_unreadable": "record_damaged",
    "state_mismatch": "state_contradicts",
    "score_above_maximum": "score_impossible",
    "max_score_not_positive": "score_impossible",
}
COLUMN_OF = {"state_mismatch": "state", "score_above_maximum": "score", "max_score_not_positive": "max_score"}
# What a declared check between columns says: rating_above_5, returned_on_before_lent_on.
BROKEN_CHECK = re.compile(r"(\w+?)_(?:above|below|before|after)_\w+")
ENDINGS = ("invalid", "missing", "out_of_range", "negative", "capped", "unmatched", "unknown")
BY_ENDING = {
    "missing": "left_empty",
    "out_of_range": "dates_implausible",
    "negative": "sign_wrong",
    "capped": "scale_wrong",
    "unmatched": "city_unknown",
    "unknown": "word_unknown",
    "out_of_bounds": "value_impossible",
}
# Rule of a column -> what an unreadable value of it means.
BY_RULE = {
    "student_id": "key_unusable",
    "key": "key_unusable",
    "email": "address_mistyped",
    "phone": "phone_spoilt",
    "date": "dates_mixed",
    "timestamp": "dates_mixed",
    "number": "number_as_text",
    "percent": "number_as_text",
    "points": "number_as_text",
    "city": "city_unknown",
    "state": "city_unknown",
    "code": "word_unknown",
    "attendance": "word_unknown",
    "class_id": "form_unknown",
    "grade": "form_unknown",
    "boolean": "form_unknown",
}
_KINDS = (
    ("student_id", r"student_id"),
    ("email", r"e?mail"),
    ("phone", r"phone|mobile"),
    ("class_id", r"class_id"),
    ("grade", r"grade"),
    ("date", r"dob|date|_at$|timestamp|birth"),
    ("number", r"fee|price|duration|score|completion|hours"),
    ("key", r"_id$|city_name"),
)


def split_reason(reason: str) -> tuple[str, str]:
    """dob_out_of_range -> (dob, out_of_range); field_count -> ("", field_count)."""
    if reason in ALONE:
        return COLUMN_OF.get(reason, ""), reason
    for ending in ENDINGS:
        if reason.endswith(f"_{ending}"):
            return reason.removesuffix(f"_{ending}"), ending
    broken = BROKEN_CHECK.fullmatch(reason)
    return (broken[1], "out_of_bounds") if broken else ("", reason)


def cause_of(reason: str, rule: str = "") -> str:
    """The code of the likely cause. rule: the name of the column's cleaning rule, where known."""
    column, ending = split_reason(reason)
    if reason in ALONE:
        return ALONE[reason]
    rule = rule or kind_of(column)
    if ending in ("invalid", "missing") and rule in ("student_id", "key"):
        return "key_unusable"
    if ending == "invalid":
        return BY_RULE.get(rule, "form_unknown")
    return BY_ENDING.get(ending, "other")


def kind_of(column: str) -> str:
    """What a column's name suggests: attendance_date -> date; "" when nothing."""
    return next((kind for kind, pattern in _KINDS if re.search(pattern, column)), "")
