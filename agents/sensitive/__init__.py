"""What texts touch that must not leave the machine, and that no model may say.

words.toml  the words, by topic and language: data, to be read and corrected by people who don't program
topics.py   the topics of a text
"""

from agents.sensitive.topics import ACCUSING, PRIVATE, is_business, topics, withheld

__all__ = ["ACCUSING", "PRIVATE", "is_business", "topics", "withheld"]
