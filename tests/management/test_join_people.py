"""The command that joins the entries of two sources."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from provisioning.models import Person
from tests.services.joins.forests import Forests, forests

__all__ = ["forests"]

pytestmark = pytest.mark.django_db


def join(*arguments: str, status: int = 0) -> str:
    """What the command says when it ends with `status`."""
    out = StringIO()
    given = ("Head office", "Bought", "--by", "employee-id", *arguments)
    if not status:
        call_command("join_people", *given, stdout=out)
        return out.getvalue()
    with pytest.raises(CommandError) as ended:
        call_command("join_people", *given, stdout=out)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{ended.value}"


def _joined() -> int:
    return Person.objects.filter(same_as__isnull=False).count()


def test_it_is_dry_unless_told_otherwise(forests: Forests) -> None:
    forests.add_pair("ann")
    said = join()
    assert "preview, nothing was changed" in said
    assert "Ann2 → Ann (ann, Head office): employee ID e-ann" in said
    assert "Losing service: 1" in said
    assert _joined() == 0
    assert "done" in join("--apply")
    assert _joined() == 1
    assert "Joined already: 1" in join()


def test_its_json_names_who_is_joined_and_who_is_unclear(forests: Forests) -> None:
    forests.add_pair("ann")
    forests.directory.add("bob", employee_id="7")
    forests.directory.add("bill", employee_id="7")
    forests.second.add("b", employee_id="7")
    forests.sync_both()
    found = json.loads(join("--json"))
    assert found["joined"] == ["Ann2 → Ann (ann, Head office): employee ID e-ann"]
    assert len(found["unclear"]) == 3
    assert found["state"] == "preview"


def test_what_passes_a_limit_waits(forests: Forests) -> None:
    forests.bought.limit_ceiling = 0
    forests.bought.save()
    forests.add_pair("ann")
    forests.add_pair("bob")
    assert "an administrator approves them" in join("--apply", status=2)
    assert _joined() == 0


def test_an_unknown_source_is_named(forests: Forests) -> None:
    with pytest.raises(CommandError, match="no source “Elsewhere”"):
        call_command("join_people", "Elsewhere", "Bought", "--by", "mail")
