"""What is made from the declarations, as files: people read them, git keeps them, a test holds them equal.

tables.py  the tables of raw and staging
views.py   views over all datasets: which keys are named where, which rows have flags, which values are out of range
facts.py   the facts of the datasets that declare one: table and query
"""
