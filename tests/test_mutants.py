"""Each way to lose data can still be brought back into today's code; `make test-mutants` sees that tests notice."""

import ast
from pathlib import Path

import pytest

from pipeline.config import PROJECT
from tests.mutants.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_made_and_names_the_tests_that_should_notice(mutant):
    for change in mutant.changes:
        text = change.applied(PROJECT)
        if change.path.endswith(".py"):
            ast.parse(text)
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert f"\ndef {name.partition('[')[0]}(" in Path(PROJECT / path).read_text()


def test_the_ten_ways_to_lose_data_that_were_reproduced_are_all_here():
    names = {mutant.name for mutant in MUTANTS}
    assert names >= {
        "marker in a second transaction", "marker first", "autocommit", "UNLOGGED table", "no lock",
        "re-hashing the path instead of the bytes loaded", "glob in requires()", "an insignificant parameter",
        "NaN clamp", "a connection shared over fork",
    }  # fmt: skip
