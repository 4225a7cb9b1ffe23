"""What is taken out of a text before it leaves the machine: all but ordinary words.

mask.py        the masker
vocabulary.py  the ordinary words (wordlists/) and the telling ones
line.py        a text as words and gaps; traces.py finds addresses, numbers and ids in it, persons.py names
"""

from agents.masking.mask import masker

__all__ = ["masker"]
