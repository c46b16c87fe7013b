"""The command that syncs directories."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lab.people import Company
from lab.slapd import Slapd
from lab.slapd_entries import person_dn
from provisioning.directory.reader import Reader
from provisioning.models import Account, DirectorySource, Person, Run
from provisioning.services import leases
from provisioning.services.runs.runs import execute_run, find_forgotten_runs
from tests.factories import make_rule, make_source
from tests.sources import saved_source

pytestmark = pytest.mark.django_db


def sync(*arguments: str, status: int = 0) -> str:
    """What the command says when it ends with `status`."""
    out, errors = StringIO(), StringIO()
    if not status:
        call_command("sync_directory", *arguments, stdout=out, stderr=errors)
        return out.getvalue()
    with pytest.raises(CommandError) as ended:
        call_command("sync_directory", *arguments, stdout=out, stderr=errors)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{errors.getvalue()}{ended.value}"


@pytest.fixture
def source(slapd: Slapd) -> DirectorySource:
    make_rule()
    return saved_source(slapd)


def test_it_is_dry_unless_told_otherwise(source: DirectorySource) -> None:
    said = sync()
    assert "Head office: preview, nothing was changed" in said
    assert "Read       60 people" in said
    assert "People     60 new" in said
    assert not Person.objects.exists()
    assert Run.objects.get().dry


def test_details_tell_every_field_before_and_after(source: DirectorySource, slapd: Slapd) -> None:
    sync("--apply")
    one = Person.objects.earliest("id")
    slapd.modify(one.dn, {"title": ["Director"]})
    assert f"planned update person {one} (title: {one.title} → Director)" in sync("--details")
    (report,) = json.loads(sync("--details", "--json"))
    (change,) = report["changes"]
    assert change["fields"] == {"title": [one.title, "Director"]}
    assert report["effects"] is None


def test_applied_it_makes_people_groups_and_accounts(source: DirectorySource) -> None:
    said = sync("Head office", "--apply")
    assert "applied" in said
    assert Person.objects.count() == 60
    assert Account.objects.exists()
    assert "Nothing to change." in sync("--apply")


def test_json_is_one_array_with_a_report_for_each_source(source: DirectorySource) -> None:
    (report,) = json.loads(sync("--json"))
    assert report["of"] == "Head office"
    assert report["figures"]["person"] == {"create": 60}
    assert report["dry"] is True


def test_changes_beyond_a_limit_wait_and_end_with_2(
    source: DirectorySource, slapd: Slapd, people: Company
) -> None:
    sync("--apply")
    for person in people.people[:12]:
        slapd.delete(person_dn(person))
    assert "would wait" in sync(status=2)
    said = sync("--apply", status=2)
    assert "changes wait for approval" in said
    assert "loss of service" in said
    assert not Person.objects.filter(left_at__isnull=False).exists()


def test_conflicts_are_named(source: DirectorySource) -> None:
    said = sync("--apply")
    assert "Conflicts:" in said
    assert "is not a telephone number" in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"uris": "ldaps://127.0.0.1:1"}, "cannot be reached"),
        ({"ca_pem": ""}, "not trusted"),
        ({"person_bases": "ou=nowhere,dc=corp,dc=example"}, "does not exist"),
        ({"person_filter": "(uid=nobody-at-all)"}, "with 0 people"),
    ],
)
def test_a_directory_that_cannot_be_read_ends_with_1_and_says_why(
    source: DirectorySource, values: dict[str, str], said: str
) -> None:
    DirectorySource.objects.update(**values)
    assert said in sync("--apply", status=1)
    assert not Person.objects.exists()


def test_a_rotated_password_is_said_without_the_password(
    source: DirectorySource, slapd: Slapd
) -> None:
    slapd.set_bind_password("rotated behind our back")
    said = sync(status=1)
    assert "password is wrong" in said
    assert slapd.bind_password not in said


def test_a_source_that_fails_does_not_keep_the_next_from_being_read(
    source: DirectorySource,
) -> None:
    make_source(name="A broken one", uris="ldaps://127.0.0.1:1", bind_dn="cn=x")
    said = sync("--apply", status=1)
    assert "A broken one: failed" in said
    assert Person.objects.count() == 60


def test_another_sync_under_way_ends_with_3_and_leaves_nothing_behind(
    source: DirectorySource,
) -> None:
    assert leases.claim(DirectorySource.objects.all(), "somebody else", 60)
    assert "under way" in sync("--apply", status=3)
    assert Run.objects.get().state == Run.State.STOPPED
    assert not Person.objects.exists()


def test_an_interrupted_sync_is_stopped_and_no_worker_applies_it(
    source: DirectorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Reader, "people", interrupt)
    with pytest.raises(KeyboardInterrupt):
        call_command("sync_directory", "--apply")
    monkeypatch.undo()
    (forgotten,) = find_forgotten_runs()
    assert execute_run(run_id=forgotten).state == Run.State.STOPPED
    assert not Person.objects.exists()


def test_an_unknown_source_is_named_with_those_there_are(source: DirectorySource) -> None:
    assert "There is no source “North”. Sources: Head office." in sync("North", status=1)


def test_progress_is_drawn_on_a_terminal_only(source: DirectorySource) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    call_command("sync_directory", stdout=out)
    assert "█" in out.getvalue() or "░" in out.getvalue()
    assert "\r" not in sync()


def test_only_what_changed_is_read(source: DirectorySource, slapd: Slapd, people: Company) -> None:
    assert "--changes goes with --apply" in sync("--changes", status=1)
    assert "is set to be read completely" in sync("--changes", "--apply", status=1)
    source.mode = "syncrepl"
    source.save()
    assert "Changes are read from the first full read on." in sync("--changes", "--apply")
    assert "nothing changed" in sync("--changes", "--apply")
    slapd.modify(person_dn(people.people[0]), {"title": ["Director"]})
    assert "Read       1 people" in sync("--changes", "--apply")
    assert sync("--changes", "--apply", "--json").strip() == "[]"
