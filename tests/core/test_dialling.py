"""Dial rules: the first that fits the whole number wins; what no server understands is refused."""

from __future__ import annotations

import time

import pytest

from provisioning.core.dialling import Translated, read_rules, translate
from provisioning.core.errors import InvalidInput

BERLIN = r"""
00([1-9]\d+) -> +\1

0([1-9]\d+) -> +49\1
^([1-9]\d{2,7})$ -> +4930\1
"""


@pytest.mark.parametrize(
    ("dialled", "becomes", "place"),
    [
        ("00442079460000", "+442079460000", 1),
        ("0301234", "+49301234", 2),
        ("1234", "+49301234", 3),
        ("+33140000000", "+33140000000", None),
        ("12", "12", None),
    ],
)
def test_the_first_rule_that_fits_the_whole_number_wins(
    dialled: str, becomes: str, place: int | None
) -> None:
    assert translate(read_rules(BERLIN), dialled) == Translated(becomes, place)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0123", "Line 2: write it as a pattern"),
        (r"(?=0)\d+ -> 1", "is no pattern"),
        (r"(\d)\1 -> 1", "is no pattern"),
        (r"[a-z]+ -> 1", "is no pattern"),
        (r"(\d+ -> 1", "cannot be read"),
        (r"\d+ -> \1", r"\\1 has no group"),
        (r"\d+ -> $(kill)", "is no translation"),
        (r"\d+ -> ", "is no translation"),
        ("1" * 59 + " -> 1", "longer than 58"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_its_line(line: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_rules(f"0 -> 1\n{line}")


def test_no_pattern_takes_long() -> None:
    rules = read_rules(r"((1+)+)+0 -> 1")
    began = time.process_time()
    assert translate(rules, "1" * 5000).place is None
    assert time.process_time() - began < 1
