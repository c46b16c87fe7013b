"""The table of faults names every one of them, and tests that exist."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, page, rows

ROWS = rows(page("reliability.md"))
NUMBERED = [row for row in ROWS if row[0].isdigit()]
TESTS = sorted({cell.strip("`") for row in ROWS for cell in row if "::test_" in cell})


def test_every_fault_stands_in_the_table_once_and_in_order() -> None:
    assert [int(row[0]) for row in NUMBERED] == list(range(1, 36))
    assert all(len(row) == 4 and all(row) for row in NUMBERED)


@pytest.mark.parametrize("test", TESTS)
def test_a_test_that_the_table_names_exists(test: str) -> None:
    path, _, name = test.partition("::")
    source = (ROOT / "tests" / path).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}\(", source, re.MULTILINE)


def test_every_row_names_a_test() -> None:
    headings = [row for row in ROWS if row[-1] == "test"]
    assert len(TESTS) > 30
    assert all("::test_" in row[-1] for row in ROWS if row not in headings)
