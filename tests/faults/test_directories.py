"""Directory faults and bad entries, with a real directory, and where each one is tested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.people import Company as People
from lab.proxy import BlackHole, CutAfter, Fault, Pass, Proxy, Refuse
from lab.slapd import Slapd
from lab.slapd_entries import person_dn
from provisioning.core.roles import Role
from provisioning.core.states import State
from provisioning.models import (
    Account,
    AccountRule,
    ConsoleUser,
    DirectorySource,
    Number,
    Person,
    PlannedChange,
    Run,
)
from provisioning.services.accounts import blocks
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import review, runs
from tests.factories import make_account, make_person
from tests.faults.directory import authority, people, rule, slapd, source, sync

__all__ = ["authority", "people", "rule", "slapd", "source"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

TESTS = Path(__file__).parent.parent
HERE = "faults/test_directories.py"
ENTRIES = "faults/test_entries.py"
SLAPD = "services/sync/test_sync_slapd.py"
# What can go wrong with a directory, and what it may say → the tests of it.
FAULTS = {
    "a search finds nobody": [f"{SLAPD}::test_a_fault_changes_nothing_and_says_what_is_wrong"],
    "it does not answer in time": [
        "directory/test_reader_faults.py::test_a_server_that_stops_in_the_middle_is_given_up_in_time",
        f"{HERE}::test_a_connection_that_fails_in_mid_read_changes_nothing",
    ],
    "a size limit in the middle of paging": [
        "directory/test_reader_faults.py::"
        "test_a_size_limit_in_the_middle_of_paging_is_an_incomplete_read",
        f"{SLAPD}::test_a_fault_changes_nothing_and_says_what_is_wrong",
    ],
    "the connection dies on a later page": [
        f"{HERE}::test_a_connection_that_fails_in_mid_read_changes_nothing"
    ],
    "the bind password was changed": [
        f"{SLAPD}::test_the_same_people_are_found_again_when_the_fault_is_repaired"
    ],
    "the bind account lost the right to read": [
        f"{SLAPD}::test_a_fault_changes_nothing_and_says_what_is_wrong",
        f"{HERE}::test_half_a_directory_takes_nobodys_service",
    ],
    "a replica is half filled": [f"{HERE}::test_half_a_directory_takes_nobodys_service"],
    "a DN is renamed or moved": [
        f"{SLAPD}::test_renaming_moving_disabling_and_deleting_real_entries",
        "directory/test_samba.py::"
        "test_the_key_is_the_text_that_windows_shows_and_survives_rename_and_move",
    ],
    "the same user name under a new GUID": [
        f"{HERE}::test_the_same_user_name_under_a_new_guid_is_somebody_else"
    ],
    "mail or numbers reused or swapped": [
        f"{HERE}::test_mail_and_numbers_that_are_swapped_or_reused"
    ],
    "another key attribute": [
        "services/directory/test_sources.py::test_the_key_stays_once_people_are_known_by_it",
        "services/directory/test_rekey.py::"
        "test_a_preview_shows_who_becomes_which_and_changes_nothing",
        "services/directory/test_rekey.py::"
        "test_everybody_stays_the_same_person_and_the_next_sync_finds_nothing",
        "services/directory/test_rekey.py::"
        "test_somebody_without_the_new_key_is_named_and_nobody_is_changed",
    ],
    "referrals": [
        "directory/test_samba.py::"
        "test_the_whole_domain_can_be_read_and_its_referrals_are_left_alone"
    ],
    "groups cannot be read": [
        f"{SLAPD}::test_groups_whose_base_is_gone_stay_while_people_go_on",
        "services/sync/test_sync_groups.py::"
        "test_groups_that_cannot_be_read_are_kept_and_marked_stale_while_people_go_on",
    ],
    "accounts and users of the console's own": [
        f"{HERE}::test_what_is_the_consoles_own_is_never_touched"
    ],
    "somebody blocked is enabled again": [f"{HERE}::test_a_block_outlives_what_the_directory_says"],
    "a filter in a search": [
        "directory/test_probe.py::test_what_is_typed_into_the_search_stays_a_text",
        "web/sources/test_directory_sign_in.py::test_a_user_name_is_never_read_as_a_filter",
    ],
    "lists where a text is expected": [
        "security/test_hostile_input.py::test_no_post_breaks_an_action"
    ],
    "an empty password": [f"{HERE}::test_an_empty_password_is_refused_before_anybody_is_asked"],
    "awkward DNs": [f"{ENTRIES}::test_awkward_dns_are_members_like_others"],
    "names and numbers that are the same but for their writing": [
        f"{ENTRIES}::test_names_that_differ_in_writing_only_are_one_sip_uri"
    ],
    "values that cannot be used": [
        f"{ENTRIES}::test_a_value_that_cannot_be_used_stops_nobody_else",
        "directory/test_mapping.py::test_an_entry_that_cannot_be_used_is_refused_with_the_reason",
    ],
    "circles of groups and huge groups": [
        f"{ENTRIES}::test_groups_that_contain_each_other_end",
        f"{SLAPD}::test_a_group_of_fifty_thousand_arrives_whole",
    ],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_tests(fault: str) -> None:
    for place in FAULTS[fault]:
        path, _, name = place.partition("::")
        assert re.search(rf"^def {name}\(", (TESTS / path).read_text("utf-8"), re.MULTILINE), place


@pytest.fixture
def proxy(slapd: Slapd) -> Iterator[Proxy]:
    """What stands between the console and the directory."""
    with Proxy(slapd.tls_port) as found:
        yield found


def relaxed(source: DirectorySource, rule: AccountRule) -> None:
    """Let everything pass that the test is not about."""
    for limited in (source, rule.domain):
        limited.limit_percent, limited.limit_ceiling = 100, 100_000
        limited.save()


def everything() -> list[object]:
    """All that is kept of people and their accounts."""
    return [*Person.objects.order_by("pk").values(), *Account.objects.order_by("pk").values()]


@pytest.mark.parametrize("fault", [CutAfter(12_000), BlackHole(), Refuse()], ids=str)
def test_a_connection_that_fails_in_mid_read_changes_nothing(
    source: DirectorySource, slapd: Slapd, proxy: Proxy, people: People, fault: Fault,
) -> None:  # fmt: skip
    source.uris = f"ldaps://127.0.0.1:{proxy.port}"
    source.read_timeout = source.connect_timeout = 1
    source.save()
    assert sync(source).state == Run.State.DONE
    before = everything()
    slapd.delete(person_dn(people.people[0]))
    proxy.set(fault)
    run = sync(source)
    assert run.state == Run.State.FAILED
    assert "nothing was changed" in run.problem.lower()
    assert everything() == before
    assert not run.changes.filter(status=PlannedChange.Status.PLANNED).exists()
    proxy.set(Pass())
    assert sync(source).state == Run.State.DONE
    assert Person.objects.filter(left_at__isnull=False).count() == 1


def test_half_a_directory_takes_nobodys_service(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    sync(source)
    before = everything()
    for one in people.people[:30]:
        slapd.delete(person_dn(one))
    run = sync(source)
    assert run.state == Run.State.WAITING
    assert everything() == before
    assert any("loss of service" in breach for breach in run.breaches)
    assert sync(source).state == Run.State.DONE
    assert everything() == before


def test_the_same_user_name_under_a_new_guid_is_somebody_else(
    source: DirectorySource, rule: AccountRule, slapd: Slapd, people: People
) -> None:
    relaxed(source, rule)
    sync(source)
    one = next(each for each in people.people if not each.disabled)
    old = Person.objects.get(login=one.uid)
    account = Account.objects.get(person=old)
    slapd.delete(person_dn(one))
    slapd.add_person(one)
    sync(source)
    new = Person.objects.exclude(pk=old.pk).get(login=one.uid)
    old.refresh_from_db()
    account.refresh_from_db()
    assert old.left_at is not None
    assert (account.person_id, account.state) == (old.pk, State.GRACE)
    assert not Account.objects.filter(person=new).exists()
    assert f"The SIP URI {account.aor} already belongs to" in new.problem


def test_mail_and_numbers_that_are_swapped_or_reused(
    source: DirectorySource, rule: AccountRule, slapd: Slapd, people: People
) -> None:
    relaxed(source, rule)
    sync(source)
    known = set(Person.objects.exclude(problem="").values_list("login", flat=True))
    ann, bob, cid = [one for one in people.people if not one.disabled and one.number][:3]
    slapd.modify(person_dn(ann), {"telephoneNumber": [bob.number], "mail": [bob.mail]})
    slapd.modify(person_dn(bob), {"telephoneNumber": [ann.number], "mail": [ann.mail]})
    slapd.modify(person_dn(cid), {"telephoneNumber": [ann.number], "title": ["Director"]})
    assert sync(source).state == Run.State.DONE
    holders = dict(Number.objects.values_list("e164", "account__person__login"))
    assert (holders[ann.number], holders[bob.number]) == (bob.uid, ann.uid)
    assert Person.objects.get(login=ann.uid).mail == bob.mail
    third = Person.objects.get(login=cid.uid)
    assert third.title == "Director"
    assert f"The number {ann.number} already belongs to" in third.problem
    assert holders[cid.number] == cid.uid
    problems = set(Person.objects.exclude(problem="").values_list("login", flat=True))
    assert problems == known | {cid.uid}


def test_what_is_the_consoles_own_is_never_touched(
    source: DirectorySource, rule: AccountRule, slapd: Slapd, people: People
) -> None:
    relaxed(source, rule)
    one = people.people[0]
    room = make_account("Board room")
    user = ConsoleUser.objects.create_user(one.uid, "a long password", role=Role.ADMINISTRATOR)
    guest = make_account(person=make_person("Guest"))
    rows = [
        Account.objects.filter(pk__in=[room.pk, guest.pk]).order_by("pk"),
        ConsoleUser.objects.filter(pk=user.pk),
    ]
    before = [list(each.values()) for each in rows]
    sync(source)
    for other in people.people[:40]:
        slapd.delete(person_dn(other))
    run = sync(source)
    while run.state == Run.State.WAITING:
        review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
        runs.execute_run(run_id=run.pk)
        run.refresh_from_db()
    assert Account.objects.filter(state=State.GRACE).exists()
    assert [list(each.all().values()) for each in rows] == before


def test_a_block_outlives_what_the_directory_says(
    source: DirectorySource, slapd: Slapd, people: People
) -> None:
    sync(source)
    one = next(each for each in people.people if not each.disabled)
    account = Account.objects.get(person__login=one.uid)
    blocks.block_account(account=account, reason="Asked to", actor=COMMAND_LINE)
    for change in (slapd.disable, slapd.enable):
        change(person_dn(one))
        sync(source)
        account.refresh_from_db()
        assert account.state == State.BLOCKED
    assert Person.objects.get(login=one.uid).disabled is False


def test_an_empty_password_is_refused_before_anybody_is_asked(
    source: DirectorySource, slapd: Slapd
) -> None:
    source.set_bind_secret("")
    source.save()
    run = sync(source)
    assert run.state == Run.State.FAILED
    assert "password" in run.problem
    assert not Person.objects.exists()
