"""The command that gives a source another key attribute."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lab.slapd import Slapd
from provisioning.models import DirectorySource
from provisioning.services.actor import SYNC
from provisioning.services.runs import runs
from tests.lab.fixtures import authority, people, slapd
from tests.sources import saved_source

__all__ = ["authority", "people", "slapd"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(slapd: Slapd) -> DirectorySource:
    """Somebody of the lab's directory, who has no second key."""
    found = saved_source(slapd, person_filter="(uid=*b*)", group_bases="")
    run = runs.request_sync(source=found, actor=SYNC)
    runs.execute_run(run_id=run.pk)
    return found


def _change(*arguments: str, status: int) -> str:
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("change_key", *arguments, stdout=out)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{ended.value}"


def test_who_has_no_such_key_is_named_and_nothing_is_changed(source: DirectorySource) -> None:
    said = _change(source.name, "nsUniqueId", status=2)
    assert "preview, nothing was changed" in said
    assert "nsUniqueId is missing or may not be read." in said
    found = json.loads(
        _change(source.name, "nsUniqueId", "--json", status=2).partition("}\n")[0] + "}"
    )
    assert len(found["unclear"]) == source.people.count()
    assert "The key was not changed." in _change(source.name, "nsUniqueId", "--apply", status=1)
    source.refresh_from_db()
    assert source.key_attribute == "entryUUID"


def test_an_unknown_source_and_the_same_key_are_refused(source: DirectorySource) -> None:
    assert "no source “Elsewhere”" in _change("Elsewhere", "nsUniqueId", status=1)
    assert "already" in _change(source.name, "entryUUID", status=1)
