"""The commands of the life cycle: a leave, proposed SIP URIs, people who came back."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.core.states import State
from provisioning.models import Proposal, Rehire, Run, SipDomain
from provisioning.services.runs.runs import execute_run
from tests.factories import make_pool
from tests.services.company import Company, Somebody, company

__all__ = ["company"]

pytestmark = pytest.mark.django_db


def said(*arguments: str | int) -> str:
    """What a command prints."""
    out = StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def ann(company: Company) -> Somebody:
    """Somebody with an account, and another one."""
    company.relax()
    company.directory.add("bob")
    one = company.directory.add("ann", employee_id="4711")
    company.sync()
    return one


def test_a_leave_is_begun_and_ended_only_with_apply(company: Company, ann: Somebody) -> None:
    leave = ("hold_account", "ann", "--until", "2999-01-31", "--reason", "Sabbatical")
    assert "Nothing was changed" in said(*leave)
    assert company.account(ann).state == State.ACTIVE
    assert "is held now" in said(*leave, "--apply")
    assert company.account(ann).state == State.HELD
    assert "its leave would end" in said("hold_account", "ann", "--end")
    ended: dict[str, Any] = json.loads(said("hold_account", "ann", "--end", "--apply", "--json"))
    assert ended == {
        "account": "ann@voice.example.com", "before": "held", "state": "active", "dry": False,
    }  # fmt: skip
    for wrong in (("ann", "--end", "--apply"), ("ann",), ("nobody", "--end")):
        with pytest.raises(CommandError):
            said("hold_account", *wrong)


def test_proposals_are_listed_and_accepted_by_a_run(company: Company, ann: Somebody) -> None:
    ann.set(login="anna")
    company.sync()
    assert "Ann: sip:ann@voice.example.com → sip:anna@voice.example.com" in said("proposals")
    assert Proposal.objects.get().state == "open"
    assert "Accepted 1" in said("proposals", "--rule", "Everybody", "--accept", "--apply")
    execute_run(run_id=Run.objects.latest("pk").pk)
    assert company.account(ann).aor == "anna@voice.example.com"
    assert json.loads(said("proposals", "--json"))["count"] == 0
    with pytest.raises(CommandError, match="still open"):
        said("proposals", "--decline", "--apply")
    with pytest.raises(CommandError, match="no account rule"):
        said("proposals", "--rule", "Other")


def test_a_rehire_is_listed_accepted_and_undone(company: Company, ann: Somebody) -> None:
    assert "Nobody who came lately" in said("rehires")
    company.directory.remove(ann)
    company.directory.add("ann.lee", employee_id="4711")
    company.sync()
    offer = Rehire.objects.get()
    assert "same employee ID 4711" in said("rehires")
    assert json.loads(said("rehires", "--json"))[0]["offer"] == offer.pk
    assert "nothing was changed" in said("rehires", "--accept", offer.pk)
    assert "done (accept)" in said("rehires", "--accept", offer.pk, "--apply")
    assert "done (undo)" in said("rehires", "--undo", offer.pk, "--apply")
    assert "done (decline)" in said("rehires", "--decline", offer.pk, "--apply")
    with pytest.raises(CommandError, match="decided on this already"):
        said("rehires", "--accept", offer.pk, "--apply")
    with pytest.raises(CommandError, match="no offer"):
        said("rehires", "--accept", 999, "--apply")


def test_accounts_move_to_another_pool_only_with_apply(company: Company, ann: Somebody) -> None:
    make_pool("Berlin")
    go = ("move_accounts", "Berlin", "sip:ann@voice.example.com", "--reason", "New building")
    assert "1 would move to Berlin" in said(*go)
    assert company.account(ann).pool.name == "Frankfurt"
    told: dict[str, Any] = json.loads(said(*go, "--apply", "--json"))
    assert told == {
        "pool": "Berlin", "moving": 1, "there": 0, "leaving": {"Frankfurt": 1}, "repinned": 0,
        "refused": [], "limits": [], "dry": False,
    }  # fmt: skip
    assert company.account(ann).pool.name == "Berlin"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Berlin",), "Name SIP URIs"),
        (("Nowhere", "--from", "Frankfurt"), "There are: Berlin, Frankfurt"),
        (("Berlin", "nobody@voice.example.com"), "No such account: nobody"),
        (("Berlin", "--site", "Atlantis"), "no site “Atlantis”"),
        (("Berlin", "--from", "Frankfurt", "--apply"), "Say why"),
    ],
)
def test_accounts_that_cannot_move_are_told(
    company: Company, ann: Somebody, arguments: tuple[str, ...], says: str
) -> None:
    make_pool("Berlin")
    with pytest.raises(CommandError, match=says):
        said("move_accounts", *arguments)
    assert company.account(ann).pool.name == "Frankfurt"


def test_a_passed_limit_stops_a_move_on_the_command_line(company: Company, ann: Somebody) -> None:
    make_pool("Berlin")
    company.source.limit_percent = 5
    SipDomain.objects.update(limit_percent=5)
    everybody = ("move_accounts", "Berlin", "--from", "Frankfurt", "--reason", "New", "--apply")
    with pytest.raises(CommandError) as stopped:
        said(*everybody)
    assert stopped.value.returncode == 2
    assert company.account(ann).pool.name == "Frankfurt"
    said(*everybody, "--approve")
    assert company.account(ann).pool.name == "Berlin"
