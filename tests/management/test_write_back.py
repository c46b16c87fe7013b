"""The command that writes back to a directory."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, ROOT_DN
from provisioning.models import WrittenValue
from tests.services.writing import Writing
from tests.sources import saved_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(slapd: Slapd) -> Writing:
    return Writing(slapd, saved_source(slapd, name="Head office"), (ROOT_DN, slapd.root_password))


def run(*arguments: str, status: int = 0) -> str:
    """What the command prints when it ends with `status`."""
    out = StringIO()
    if not status:
        call_command("write_back", *arguments, stdout=out)
        return out.getvalue()
    with pytest.raises(CommandError) as ended:
        call_command("write_back", *arguments, stdout=out)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{ended.value}"


def test_it_is_dry_unless_asked_to_apply(site: Writing) -> None:
    site.set(preferredLanguage="number")
    said = run("Head office")
    assert "preview, nothing was written" in said
    assert "preferredLanguage nothing → +49301234" in said
    assert site.writer[1] not in said
    assert not WrittenValue.objects.exists()
    assert "done" in run("Head office", "--apply")
    assert WrittenValue.objects.exists()
    assert "nothing to change" in run("Head office", "--apply")


def test_json_tells_every_value(site: Writing) -> None:
    site.set(preferredLanguage="number")
    told = json.loads(run("Head office", "--json"))
    assert (told["state"], told["dry"], told["refused"]) == ("preview", True, 0)
    assert told["figures"]["value"]["create"] == len(told["changes"])
    assert told["changes"][0]["attribute"] == "preferredLanguage"
    assert told["changes"][0]["before"] == ""
    assert told["changes"][0]["after"].startswith("+49301234")


def test_what_passes_a_limit_ends_with_2(site: Writing) -> None:
    site.set(preferredLanguage="number")
    site.relax(percent=5)
    assert "changed value in the directory" in run("Head office", "--apply", status=2)


def test_what_the_directory_refuses_ends_with_1(site: Writing, slapd: Slapd) -> None:
    assert "its write-back is off" in run("Head office", status=1)
    site.writer = (BIND_DN, slapd.bind_password)
    site.set(preferredLanguage="number")
    assert "refused some values" in run("Head office", "--apply", status=1)
    assert "There is no source “Nowhere”" in run("Nowhere", status=1)
