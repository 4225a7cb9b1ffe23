"""What is answered to a ticket: one template per mood and category. The words are ours, whoever analysed the ticket.

A template has a code (`negative_payment`) and a text that a person can send as it is or fill in.
"""

from __future__ import annotations

OPENINGS = {
    "Positive": "Thank you for taking the time to write. It makes our day to read this, and we will pass it on.",
    "Neutral": "Thank you for your message.",
    "Negative": "We are sorry about the trouble you describe, and thank you for telling us.",
    "Very Negative": "We are truly sorry. What you describe must not happen, and we understand that you are upset.",
}
CLOSINGS = {
    "Positive": "If there is anything else we can do for you, just reply to this message.",
    "Neutral": "If anything is unclear, just reply to this message.",
    "Negative": "You will hear from us within one working day; just reply if it is more urgent.",
    "Very Negative": "A senior colleague takes this over now and will call you within one working day.",
}
# What we do about it: when something went wrong, and when something is asked for.
MENDING = {
    "Technical": "Our technical team is looking into it. It helps to know your device, browser and the time.",
    "Payment": "We are checking the payment with our bank. Any amount taken in error goes back to you in full.",
    "Billing": "We are checking your invoice and will send you a corrected one.",
    "Certificate": "We are checking your record and will tell you when you can expect the correct certificate.",
    "Content": "We have passed this on to the people who write the course, so that they can put it right.",
    "Support": "You have waited too long for an answer. One person is now responsible for your request.",
    "Academic": "We are checking your record with the academic office and will tell you what we find.",
    "Complaint": "We take this seriously. We will talk to the people concerned and tell you what follows from it.",
    "Career": "We are asking the placement team where things stand and will tell you.",
    "Feedback": "We will discuss your remarks with the people who run the course.",
}
ANSWERING = {
    "Technical": "Our technical team will answer your question.",
    "Payment": "Our payments office will answer you, and will tell you first if it needs anything from you.",
    "Billing": "We are preparing the document you ask for.",
    "Certificate": "We will look at your record and answer your question about the certificate.",
    "Content": "We will ask the teachers of your course and come back to you.",
    "Support": "We are looking after your request.",
    "Academic": "The academic office will look at your request and tell you what is possible.",
    "Complaint": "We will explain how you can raise this, and we treat what you tell us as confidential.",
    "Career": "Our career advisers will come back to you with an answer.",
    "Feedback": "We collect ideas like yours and look at all of them when we plan the next version.",
}
UNREAD = {
    "unread_language": "Thank you for writing. A colleague who reads your language will answer you.",
    "unread_empty": "We have received a message from you without any text. How can we help? Just reply to it.",
}


def _text(mood: str, category: str) -> str:
    steps = {"Positive": "", "Neutral": ANSWERING[category]}.get(mood, MENDING[category])
    return " ".join(part for part in (OPENINGS[mood], steps, CLOSINGS[mood]) if part)


def code(mood: str, category: str, language: str) -> str:
    """Very Negative, Payment -> very_negative_payment; a ticket that nobody could read has a template of its own."""
    if language == "other":
        return "unread_language"
    if language == "none" and mood == "Neutral":
        return "unread_empty"
    return f"{mood}_{category}".lower().replace(" ", "_")


TEMPLATES: dict[str, str] = UNREAD | {
    code(mood, category, "en"): _text(mood, category) for mood in OPENINGS for category in MENDING
}
