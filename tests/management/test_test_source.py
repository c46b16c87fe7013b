"""The command that tests the connection of a source."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lab.slapd import Slapd
from provisioning.models import DirectorySource
from tests.sources import saved_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(slapd: Slapd) -> DirectorySource:
    return saved_source(slapd)


def run(*arguments: str, status: int = 0) -> str:
    """What the command prints when it ends with `status`."""
    out = StringIO()
    if not status:
        call_command("test_source", *arguments, stdout=out)
        return out.getvalue()
    with pytest.raises(CommandError) as ended:
        call_command("test_source", *arguments, stdout=out)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{ended.value}"


def test_a_source_that_works_passes_every_step(source: DirectorySource, slapd: Slapd) -> None:
    said = run("Head office")
    assert "ok       People: 60 match the filter." in said
    assert "Issuer: CN=rtcadmin lab CA" in said
    assert slapd.bind_password not in said


def test_json_tells_each_step_with_its_time(source: DirectorySource) -> None:
    told = json.loads(run("Head office", "--json"))
    assert told["source"] == "Head office"
    names = [step["name"] for step in told["steps"]]
    assert names[:4] == ["Address", "Connection", "Certificate", "Sign-in"]
    assert {step["state"] for step in told["steps"]} == {"ok"}
    assert all(isinstance(step["milliseconds"], int) for step in told["steps"])


def test_a_step_that_fails_ends_it_with_1_and_a_warning_with_2(
    source: DirectorySource, slapd: Slapd
) -> None:
    slapd.hide("telephoneNumber")
    assert "→ People nearly always have telephonenumber" in run("Head office", status=2)
    slapd.stop()
    assert "FAILED   Connection" in run("Head office", status=1)


def test_an_unknown_source_is_told_with_the_known_ones(source: DirectorySource) -> None:
    assert "Sources: Head office" in run("Elsewhere", status=3)
