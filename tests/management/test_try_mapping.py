"""The command try_mapping: one entry, its fields and why, and nothing kept."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from lab.slapd import Slapd
from provisioning.models import DirectorySource
from tests.sources import saved_source

pytestmark = pytest.mark.django_db


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("try_mapping", *arguments, stdout=out, no_color=True, **options)
    return out.getvalue()


def test_it_prints_the_entry_and_what_each_field_gives_and_why(slapd: Slapd) -> None:
    saved_source(slapd)
    said = run("Head office", "--find", "müller", "--set", "title=upper(title)")
    assert "  objectClass: inetOrgPerson" in said
    assert "(displayName is taken)" in said
    fields = said.partition("Fields\n")[2].splitlines()
    (title,) = (line for line in fields if line.startswith("  title: "))
    assert title[9:].isupper()
    assert "upper" not in DirectorySource.objects.get().mapping["title"]


def test_it_prints_one_object_for_machines(slapd: Slapd) -> None:
    saved_source(slapd)
    answer = json.loads(run("Head office", "--json", "--next", "2", "--set", "disabled=uid"))
    assert answer["fields"]["disabled"] == {
        "value": "yes", "why": "", "problem": "", "at": None, "counts": True,
    }  # fmt: skip
    assert answer["attributes"]["uid"] == [answer["fields"]["login"]["value"]]
    assert answer["problem"] == ""


@pytest.mark.parametrize(
    ("arguments", "said", "status"),
    [
        (["Nowhere"], "no source", 3),
        (["Head office", "--find", "nobody-is-called-so"], "Nobody was found", 3),
        (["Head office", "--set", "mail=lower("], "An expression cannot be used", 1),
        (["Head office", "--set", "kind='robot'"], "An expression cannot be used", 1),
        (["Head office", "--set", "disabled=bit(roomNumber, 2)"], "roomnumber is missing", 1),
    ],
)
def test_what_cannot_be_done_is_said_and_told_by_the_status(
    slapd: Slapd, arguments: list[str], said: str, status: int
) -> None:
    saved_source(slapd)
    with pytest.raises(CommandError, match=said) as error:
        run(*arguments)
    assert error.value.returncode == status
