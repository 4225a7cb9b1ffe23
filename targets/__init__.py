"""How done-ness is known: a target is a table or a file plus the record of what it was made from.

Knows nothing of students. `parts` digests what a target is made from, `database` opens transactions and moves rows,
`record` is the ledger's row per target, `table` the one primitive that writes derived tables, `artifact` the files.
"""
