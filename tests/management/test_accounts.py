"""`accounts`: listed by filter, and changed as the services allow; nothing without --apply."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, Number, PendingChange
from tests.factories import make_account, make_domain, make_person, make_pool, make_site, make_store

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("accounts", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str, status: int = 1) -> str:
    out = io.StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("accounts", *arguments, stdout=out)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{ended.value}"


def listed(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("list", *arguments, "--json").splitlines()]


@pytest.fixture
def managed(db: None) -> None:
    make_store(pool=make_pool(), mode="manage")


def test_they_are_listed_by_filter_one_a_line(db: None) -> None:
    make_account(user_part="ann", kind="room", site=make_site())
    make_account(user_part="bob", kind="service", state="blocked", blocked=True)
    make_account(user_part="cy", kind="room", domain=make_domain("other.example.com"))
    make_account(user_part="gone", state="removed")
    names = [each["account"].partition("@")[0] for each in listed()]
    assert names == ["ann", "bob", "cy"]
    assert len(listed("--filter", "kind=room", "domain=voice.example.com")) == 1
    assert len(listed("--filter", "kind=room", "--filter", "kind=service")) == 3
    assert [each["state"] for each in listed("--filter", "state=removed")] == ["removed"]
    assert [each["site"] for each in listed("ann@voice.example.com")] == ["London"]
    assert run("list", "--filter", "kind=contractor") == ""


def test_a_list_costs_the_same_however_long_it_is(db: None, django_assert_num_queries: Any) -> None:
    for count in range(5):
        make_account(user_part=f"a{count}", site=make_site())
    with django_assert_num_queries(1):
        assert len(listed()) == 5


def test_csv_has_a_head_and_no_formula(db: None) -> None:
    make_account(name="=cmd()", user_part="ann")
    rows = list(csv.DictReader(io.StringIO(run("list", "--csv"))))
    assert [(row["account"], row["name"]) for row in rows] == [("ann@voice.example.com", "'=cmd()")]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("state=activ", "There is no state “activ”. There are: prepared, active"),
        ("pool=Nowhere", "There is no pool “Nowhere”. There are: Frankfurt"),
        ("group=Nobody", "There is no group “Nobody”"),
        ("password=x", "is not KEY=VALUE"),
        ("state", "is not KEY=VALUE"),
    ],
)
def test_a_filter_that_can_match_nobody_is_said(db: None, given: str, says: str) -> None:
    make_account()
    assert says in refused("list", "--filter", given)


def test_blocking_is_tried_first_and_done_with_apply(managed: None) -> None:
    account = make_account(user_part="ann")
    assert "Say why" in refused("block", account.aor)
    said = run("block", f"sip:{account.aor}", "--reason", "Lost phone")
    assert "active → blocked" in said
    assert "Nothing was changed; add --apply." in said
    account.refresh_from_db()
    assert not account.blocked
    assert not AuditEvent.objects.exists()
    assert not PendingChange.objects.exists()
    told = json.loads(run("block", account.aor, "--reason", "Lost phone", "--apply", "--json"))
    assert told["accounts"][0]["before"]["state"] == "active"
    assert (told["count"], told["working"], told["dry"]) == (1, 1, False)
    account.refresh_from_db()
    assert (account.state, account.blocked_reason) == (State.BLOCKED, "Lost phone")
    event = AuditEvent.objects.get(action="blocked")
    assert (event.actor_name, event.detail["reason"]) == ("command line", "Lost phone")
    assert PendingChange.objects.exists()
    assert "Already blocked" in refused("block", account.aor, "--reason", "again", "--apply")
    run("unblock", account.aor, "--apply")
    account.refresh_from_db()
    assert account.state == State.ACTIVE
    assert "None of them is blocked" in refused("unblock", account.aor, "--apply")


@pytest.mark.parametrize("action", ["block", "renew"])
def test_many_at_once_are_held_to_the_limits_of_a_day(managed: None, action: str) -> None:
    for count in range(10):
        make_account(user_part=f"a{count}")
    wanted = (action, "--filter", "state=active", "--reason", "Sold", "--apply")
    said = refused(*wanted, status=2)
    assert "10 planned; at most" in said
    assert "add --approve" in said
    assert not AuditEvent.objects.exists()
    told = json.loads(run(*wanted, "--approve", "--json"))
    assert (told["count"], told["dry"], len(told["limits"])) == (10, False, 2)
    assert AuditEvent.objects.exists()


def test_more_than_a_thousand_at_once_are_refused(
    managed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.management.commands.accounts.MOST_AT_ONCE", 2)
    monkeypatch.setattr("provisioning.services.accounts.blocks.MOST_AT_ONCE", 2)
    for count in range(3):
        make_account(user_part=f"a{count}")
    said = refused("block", "--filter", "state=active", "--reason", "x", "--apply", "--approve")
    assert "3 accounts are too many at once" in said
    assert not Account.objects.filter(blocked=True).exists()


def test_nobody_is_acted_on_who_was_not_named(managed: None) -> None:
    make_account()
    assert "Name accounts" in refused("block", "--reason", "x", "--apply")
    assert "No account matches" in refused(
        "block", "--filter", "kind=contractor", "--reason", "x", "--apply"
    )
    assert "Nobody has the user name" in refused("block", "ann", "--reason", "x", "--apply")
    assert "Nobody has the user name" in refused("block", "", "--reason", "x", "--apply")
    assert not AuditEvent.objects.exists()


def test_names_may_stand_behind_options(managed: None) -> None:
    one, two = (make_account(user_part=part, blocked=True) for part in ("one", "two"))
    told = json.loads(run("unblock", "--json", one.aor, "--apply", two.aor))
    assert (told["count"], told["dry"]) == (2, False)


def test_a_name_that_two_have_is_refused(managed: None) -> None:
    for part in ("one", "two"):
        person = make_person(login="ann", guid=part)
        make_account(user_part=part, kind="person", person=person)
    assert "names 2 accounts, not one" in refused("block", "ann", "--reason", "x", "--apply")


def test_new_credentials_replace_the_secret_and_never_show_it(managed: None) -> None:
    account = make_account()
    before = account.credential.secret()
    assert "would be given new credentials" in run("renew", account.aor)
    said = run("renew", account.aor, "--apply")
    account.refresh_from_db()
    secret = account.credential.secret()
    assert secret != before
    assert secret
    assert secret not in said


def test_a_number_is_given_and_taken(managed: None) -> None:
    account = make_account(site=make_site())
    assert "none → +442079460123" in run("number", account.aor, "--number", "020 7946 0123")
    assert not Number.objects.exists()
    run("number", account.aor, "--number", "020 7946 0123", "--apply")
    other = make_account(user_part="other")
    said = refused("number", other.aor, "--number", "+442079460123", "--apply")
    assert f"belongs to {account.name}" in said
    for wrong in ((), ("--number", "+442079460124", "--release")):
        assert "Say either" in refused("number", account.aor, *wrong, "--apply")
    assert "has no number" in refused("number", other.aor, "--release", "--apply")
    assert "2 accounts are named, not one" in refused(
        "number", account.aor, other.aor, "--release", "--apply"
    )
    run("number", account.aor, "--release", "--free", "--apply")
    assert Number.objects.get().state == Number.State.FREE


def test_a_leaver_is_restored_and_nobody_else(managed: None) -> None:
    account = make_account(state="grace", kind="person", person=make_person())
    assert "Say why" in refused("restore", account.aor, "--apply")
    assert "has passed" in refused(
        "restore", account.aor, "--reason", "Back", "--until", "2001-01-01", "--apply"
    )
    assert "grace → active" in run("restore", account.aor, "--reason", "Back")
    run("restore", account.aor, "--reason", "Back", "--until", "2999-01-31", "--apply")
    account.refresh_from_db()
    assert account.state == State.ACTIVE
    assert "not in grace" in refused("restore", account.aor, "--reason", "Back", "--apply")


def test_another_sip_uri_is_given_and_its_pin_ended(managed: None) -> None:
    account = make_account(user_part="ann", kind="person", person=make_person())
    wanted = ("rename", account.aor, "--user-part", "ann.lee", "--alias-days", "30")
    assert "Say why" in refused(*wanted, "--apply")
    assert "Say --user-part" in refused("rename", account.aor, "--reason", "x", "--apply")
    said = run(*wanted, "--reason", "Married")
    assert "ann@voice.example.com → ann.lee@voice.example.com, active" in said
    account.refresh_from_db()
    assert account.aor == "ann@voice.example.com"
    run(*wanted, "--reason", "Married", "--apply")
    account.refresh_from_db()
    assert account.aor == "ann.lee@voice.example.com"
    assert [alias.aor for alias in account.aliases.all()] == ["ann@voice.example.com"]
    assert "No such value is pinned; there are: user_part." in refused(
        "unpin", account.aor, "--pin", "number", "--apply"
    )
    run("unpin", account.aor)
    assert account.pins.count() == 1
    run("unpin", account.aor, "--apply")
    assert account.pins.count() == 0
    assert "there are: none" in refused("unpin", account.aor, "--apply")


def test_an_account_without_a_person_is_made_and_removed(managed: None) -> None:
    domain, pool, site = make_domain(), make_pool(), make_site()
    wanted = (
        "create", "--kind", "room", "--name", "Lab", "--user-part", "lab", "--domain",
        domain.domain, "--pool", pool.name, "--site", site.name, "--number", "020 7946 0199",
    )  # fmt: skip
    assert "would be created" in run(*wanted)
    assert not Account.objects.exists()
    told = json.loads(run(*wanted, "--apply", "--json"))
    assert told["accounts"] == [
        {
            "account": "lab@voice.example.com", "name": "Lab", "state": "active",
            "number": "+442079460199", "before": {},
        }
    ]  # fmt: skip
    account = Account.objects.get()
    assert (account.kind, account.site, account.pool) == ("room", site, pool)
    assert "lab@voice.example.com" in refused(*wanted, "--apply")
    run("remove", account.aor, "--reason", "Rebuilt", "--apply")
    account.refresh_from_db()
    assert account.state == State.REMOVED


def test_what_is_missing_or_unknown_in_a_new_account_is_named(managed: None) -> None:
    make_domain()
    assert "Say --user-part, --domain, --pool" in refused(
        "create", "--kind", "room", "--name", "Lab", "--apply"
    )
    complete = ("create", "--kind", "room", "--name", "Lab", "--user-part", "lab", "--apply")
    assert "no SIP domain “x”. There are: voice.example.com" in refused(
        *complete, "--domain", "x", "--pool", "Frankfurt"
    )
    assert "no pool “x”" in refused(*complete, "--domain", "voice.example.com", "--pool", "x")
    assert "described by options" in refused(complete[0], "lab", *complete[1:])
    assert not Account.objects.exists()


def test_the_account_of_a_person_is_not_removed(managed: None) -> None:
    account = make_account(kind="person", person=make_person())
    assert "goes when the person leaves" in refused(
        "remove", account.aor, "--reason", "x", "--apply"
    )
