"""Another key attribute: shown before, for everybody at once or for nobody, and the same people."""

from __future__ import annotations

import uuid

import pytest

from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, GROUPS, PEOPLE
from provisioning.core.errors import InvalidInput
from provisioning.models import (
    Account,
    ConsoleUser,
    Credential,
    DirectoryGroup,
    DirectorySource,
    GroupMember,
    Number,
    Person,
    PlannedChange,
    Run,
)
from provisioning.services.accounts.history import find_history
from provisioning.services.actor import COMMAND_LINE, SYNC
from provisioning.services.directory.rekey import rekey_here, request_rekey
from provisioning.services.runs import check_limits, runs
from tests.factories import make_rule
from tests.sources import saved_source

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def source(slapd: Slapd) -> DirectorySource:
    """Ten of the lab's people and a few groups, read, each with a second key in the directory."""
    make_rule(name="Everybody")
    found = saved_source(
        slapd,
        person_filter="(&(objectClass=inetOrgPerson)(uid=*a*))",
        mode=DirectorySource.Mode.SYNCREPL,
    )
    for entry in _entries(slapd, PEOPLE, found.person_filter) + _entries(
        slapd, GROUPS, "(objectClass=groupOfNames)"
    ):
        _give(slapd, entry, str(uuid.uuid4()))
    run = runs.request_sync(source=found, actor=SYNC)
    runs.execute_run(run_id=run.pk)
    return found


def _entries(slapd: Slapd, base: str, filter_: str) -> list[str]:
    with slapd.administer() as connection:
        return [dn for dn, _ in connection.search_s(base, 1, filter_, ["1.1"]) if dn != BIND_DN]


def _give(slapd: Slapd, dn: str, key: str) -> None:
    with slapd.administer() as connection:
        classes = connection.search_s(dn, 0, "(objectClass=*)", ["objectClass"])[0][1]
    named = [value.decode() for value in classes["objectClass"]]
    if "migratedEntry" not in named:
        slapd.modify(dn, {"objectClass": [*named, "migratedEntry"]})
    slapd.modify(dn, {"nsUniqueId": [key] if key else []})


def _rekey(source: DirectorySource, *, dry: bool = False) -> Run:
    return rekey_here(source=source, key_attribute="nsUniqueId", actor=COMMAND_LINE, dry=dry)


def _known() -> list[tuple[object, ...]]:
    """Everything that belongs to somebody, by the row of the person and not by the key."""
    return [
        *Person.objects.order_by("pk").values_list("pk", "dn", "login"),
        *Account.objects.order_by("pk").values_list("pk", "person", "aor", "state"),
        *Credential.objects.order_by("pk").values_list("pk", "version"),
        *Number.objects.order_by("pk").values_list("e164", "account", "state"),
        *GroupMember.objects.order_by("group", "person").values_list("group", "person"),
    ]


def test_a_preview_shows_who_becomes_which_and_changes_nothing(source: DirectorySource) -> None:
    keys = set(Person.objects.values_list("guid", flat=True))
    run = _rekey(source, dry=True)
    assert run.state == Run.State.PREVIEW
    rows = run.changes.filter(kind="person", action="rekey")
    assert set(rows.values_list("subject", flat=True)) == keys
    assert set(Person.objects.values_list("guid", flat=True)) == keys
    source.refresh_from_db()
    assert source.key_attribute == "entryUUID"


def test_everybody_stays_the_same_person_and_the_next_sync_finds_nothing(
    source: DirectorySource,
) -> None:
    person = Person.objects.filter(accounts__isnull=False).earliest("pk")
    user = ConsoleUser.objects.create_user("ann", None, source=source, guid=person.guid)
    before, keys = _known(), set(Person.objects.values_list("guid", flat=True))
    groups = dict(DirectoryGroup.objects.values_list("pk", "guid"))
    run = _rekey(source)
    assert (run.state, run.problem) == (Run.State.DONE, "")
    source.refresh_from_db()
    assert (source.key_attribute, source.mode) == ("nsUniqueId", DirectorySource.Mode.FULL)
    assert keys.isdisjoint(Person.objects.values_list("guid", flat=True))
    assert groups.items().isdisjoint(DirectoryGroup.objects.values_list("pk", "guid"))
    again = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=again.pk)
    actions = set(PlannedChange.objects.filter(run=again).values_list("kind", "action"))
    assert actions <= {("person", "refresh"), ("group", "update")}
    assert _known() == before
    person.refresh_from_db()
    user.refresh_from_db()
    assert user.guid == person.guid
    titles = [happening.title for happening in find_history(person=person)]
    assert "Known by another key" in titles
    assert "Account created" in titles, "what happened under the old key is still told"


def test_somebody_without_the_new_key_is_named_and_nobody_is_changed(
    source: DirectorySource, slapd: Slapd
) -> None:
    one, two, *_ = Person.objects.order_by("pk")
    three = Person.objects.order_by("-pk")[0]
    _give(slapd, one.dn, "")
    with slapd.administer() as connection:
        (_, entry), *_ = connection.search_s(three.dn, 0, "(objectClass=*)", ["nsUniqueId"])
    _give(slapd, two.dn, entry["nsUniqueId"][0].decode())
    preview = _rekey(source, dry=True)
    unclear = dict(preview.changes.filter(action="unclear").values_list("name", "message"))
    assert "missing" in unclear[str(one)]
    assert "Somebody else has the nsUniqueId" in unclear[str(two)]
    assert "Somebody else has the nsUniqueId" in unclear[str(three)]
    run = _rekey(source)
    assert run.state == Run.State.FAILED
    assert "3 people or groups have no nsUniqueId of their own" in run.problem
    source.refresh_from_db()
    assert source.key_attribute == "entryUUID"
    assert Person.objects.get(pk=three.pk).guid == three.guid
    assert not Person.objects.exclude(problem="").filter(pk=one.pk).exists()


def test_whoever_changed_meanwhile_stops_all_of_it(
    source: DirectorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = dict(Person.objects.values_list("pk", "guid"))
    check = check_limits.hold_breaches

    def change_somebody(**values: object) -> object:
        Person.objects.filter(pk=min(keys)).update(version=99)
        return check(**values)  # type: ignore[arg-type]

    monkeypatch.setattr("provisioning.services.runs.runs.hold_breaches", change_somebody)
    run = _rekey(source)
    assert run.state == Run.State.FAILED
    assert "preview again" in run.problem
    assert dict(Person.objects.values_list("pk", "guid")) == keys


def test_a_scim_source_and_the_same_key_are_refused(source: DirectorySource) -> None:
    with pytest.raises(InvalidInput, match="already"):
        request_rekey(source=source, key_attribute="entryUUID", actor=COMMAND_LINE)
    with pytest.raises(InvalidInput, match="Choose one of"):
        request_rekey(source=source, key_attribute="uid", actor=COMMAND_LINE)
    source.kind = DirectorySource.Kind.SCIM
    with pytest.raises(InvalidInput, match="Choose one of"):
        request_rekey(source=source, key_attribute="nsUniqueId", actor=COMMAND_LINE)
