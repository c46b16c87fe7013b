"""Bases with a scope and a filter of their own."""

from __future__ import annotations

import pytest

from lab.slapd import Slapd
from lab.slapd_entries import PEOPLE, SUFFIX
from provisioning.core.errors import InvalidInput
from provisioning.core.records import SourceRecord
from provisioning.directory.bases import dns_of, read_base
from provisioning.directory.probe import probe_directory
from provisioning.directory.reader import Reader
from tests.directory.conftest import MakeSource


def count(source: SourceRecord) -> int:
    with Reader(source) as reader:
        return sum(len(page) for page in reader.people(("uid",)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dc=x", ("dc=x", "subtree", "")),
        ("dc=x?one", ("dc=x", "one", "")),
        (" dc=x ?ONE? (l=Bonn) ", ("dc=x", "one", "(l=Bonn)")),
        ("dc=x??(l=Bonn?)", ("dc=x", "subtree", "(l=Bonn?)")),
    ],
)
def test_a_base_is_read(line: str, expected: tuple[str, str, str]) -> None:
    base = read_base(line)
    assert (base.dn, base.scope, base.filter) == expected


@pytest.mark.parametrize("line", ["", "people", "dc=x?all", "dc=x?one?l=Bonn", "dc=x?one?(l="])
def test_a_base_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        read_base(line)


def test_scope_and_filter_of_a_base_narrow_what_is_read(slapd: Slapd, source: MakeSource) -> None:
    assert count(source(person_bases=(f"{SUFFIX}?one",))) == 0
    assert count(source(person_bases=(f"{PEOPLE}?one",))) == 60
    narrow = count(source(person_bases=(f"{PEOPLE}??(sn=M*)",)))
    assert 0 < narrow < 60
    # Each person once, whichever base it is found by.
    assert count(source(person_bases=(f"{PEOPLE}??(sn=M*)", PEOPLE))) == 60
    steps = {step.name: step for step in probe_directory(source(
        person_bases=(f"{PEOPLE}??(sn=M*)",)))}  # fmt: skip
    assert steps["People"].text == f"{narrow} match the filter."


def test_the_dns_of_bases_are_told_once() -> None:
    assert dns_of(["dc=x?one", "dc=y", "dc=x??(a=b)"]) == ["dc=x", "dc=y"]
