"""SIP URIs that change hands: swapped, in circles, in chains; old ones that lead on for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.states import State
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    Alias,
    GroupAddress,
    PendingChange,
    Proposal,
    ProvisioningLink,
    Run,
    SipDomain,
)
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.accounts.proposals import accept_proposals, decline_proposals
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.routing.group_addresses import save_group_address
from provisioning.services.runs import apply, review, runs
from tests.services.company import Company, Somebody, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

LETTERS = "abcdef"


@pytest.fixture
def ring(company: Company) -> list[Somebody]:
    """Four people called a to d whose SIP URI follows the user name, and no limits."""
    company.relax()
    company.rule.follow_user = True
    company.rule.save()
    people = [company.directory.add(letter, display_name=f"P{letter}") for letter in "abcd"]
    company.sync()
    return people


def _logins(company: Company, people: list[Somebody]) -> str:
    return "".join(company.account(one).user_part for one in people)


def _rename(people: list[Somebody], logins: str) -> None:
    for one, login in zip(people, logins, strict=True):
        one.set(login=login)


@pytest.mark.parametrize("window", [20_000, 2])
@pytest.mark.parametrize(
    "logins",
    ["bacd", "bcad", "bcda", "badc", "bcde", "ebca", "abde"],
    ids=["swap", "three", "four", "two swaps", "chain", "circle and leave", "chain at the end"],
)
def test_sip_uris_change_hands_in_one_run(
    company: Company, ring: list[Somebody], logins: str, window: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(apply, "WINDOW", window)
    ids = [company.account(one).pk for one in ring]
    _rename(ring, logins)
    run = company.sync()
    assert (run.state, run.problem) == (Run.State.DONE, "")
    assert _logins(company, ring) == logins
    assert [company.account(one).pk for one in ring] == ids
    for one in ring:
        account = company.account(one)
        assert account.aor == f"{account.user_part}@voice.example.com"
        assert account.credential.auth_user == account.user_part
    assert rows_of(company.sync()) == []
    assert not Alias.objects.exists()


def test_the_sip_uri_of_a_group_address_goes_to_nobody(
    company: Company, ring: list[Somebody]
) -> None:
    group = GroupAddress(
        name="Support", domain=SipDomain.objects.get(), user_part="support",
        number="+442079461999", target="sip:600@pbx.example.com",
    )  # fmt: skip
    save_group_address(group=group, actor=COMMAND_LINE)
    newcomer = company.directory.add("support", display_name="Other")
    ring[0].set(login="support")
    company.sync()
    assert not Account.objects.filter(person=company.person(newcomer)).exists()
    assert "that of the group address Support" in company.person(newcomer).problem
    assert company.account(ring[0]).user_part == "a"


def test_the_old_sip_uri_leads_on_for_so_many_days_and_belongs_to_nobody_else_meanwhile(
    company: Company, ring: list[Somebody]
) -> None:
    company.rule.alias_days = 30
    company.rule.save()
    ring[0].set(login="x")
    PendingChange.objects.all().delete()
    company.sync()
    alias = Alias.objects.get()
    assert (alias.aor, alias.account) == ("a@voice.example.com", company.account(ring[0]))
    days = (alias.ends_at - timezone.now()) / timedelta(days=1)
    assert 29.9 < days <= 30
    assert PendingChange.objects.filter(kind=Kind.ALIAS, key=alias.aor).exists()
    newcomer = company.directory.add("a", display_name="Other")
    company.sync()
    assert not Account.objects.filter(person=company.person(newcomer)).exists()
    assert "belonged to Pa, whom it still reaches until" in company.person(newcomer).problem
    ring[1].set(login="a")
    company.sync()
    assert company.account(ring[1]).user_part == "b"
    keep_deadlines(now=timezone.now() + timedelta(days=31))
    assert not Alias.objects.exists()
    company.sync()
    assert {company.account(ring[1]).user_part} | {
        account.user_part for account in Account.objects.filter(person__guid=newcomer.guid)
    } >= {"a"}


def test_whoever_goes_back_to_the_old_sip_uri_has_it_as_its_own_again(
    company: Company, ring: list[Somebody]
) -> None:
    company.rule.alias_days = 30
    company.rule.save()
    for login in ("x", "a", "y"):
        ring[0].set(login=login)
        company.sync()
        assert company.account(ring[0]).user_part == login
    assert set(Alias.objects.values_list("aor", flat=True)) == {
        "a@voice.example.com", "x@voice.example.com",
    }  # fmt: skip


def test_a_circle_is_turned_although_old_sip_uris_lead_on_and_leaves_none(
    company: Company, ring: list[Somebody]
) -> None:
    company.rule.alias_days = 30
    company.rule.save()
    _rename(ring, "baec")
    run = company.sync()
    assert _logins(company, ring) == "baed"
    assert run.state == Run.State.DONE
    assert "already belongs to Pc" in company.person(ring[3]).problem
    assert list(Alias.objects.values_list("aor", flat=True)) == ["c@voice.example.com"]


def test_a_rename_revokes_links_and_raises_the_version_of_the_credential(
    company: Company, ring: list[Somebody]
) -> None:
    account = company.account(ring[0])
    link = ProvisioningLink.objects.create(
        account=account, format="linphone", token_hash="x",
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    version = account.credential.version
    ring[0].set(login="x")
    company.sync()
    link.refresh_from_db()
    assert link.revoked_at is not None
    assert company.account(ring[0]).credential.version == version + 1


def test_a_rule_that_keeps_sip_uris_proposes_each_new_one_once(
    company: Company, ring: list[Somebody]
) -> None:
    company.rule.follow_user = False
    company.rule.save()
    ring[0].set(login="x")
    run = company.sync()
    proposal = Proposal.objects.get()
    assert (proposal.account, proposal.aor) == (company.account(ring[0]), "x@voice.example.com")
    assert proposal.run == run
    ring[0].set(title="Boss")
    company.sync()
    assert Proposal.objects.get().run == run
    ring[0].set(login="a")
    assert ("account", "withdraw", "Pa") in rows_of(company.sync())
    assert not Proposal.objects.exists()


@pytest.fixture
def brand(company: Company) -> list[Somebody]:
    """Forty people; by the limits two may be renamed without approval."""
    people = company.directory.add_many(40)
    company.sync()
    company.rule.user_formula = "'new-{login}'"
    return people


def _renamed() -> int:
    return Account.objects.filter(user_part__startswith="new-").count()


def test_a_rule_that_renames_everybody_waits_for_approval_and_is_applied_in_batches(
    company: Company, brand: list[Somebody], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "WINDOW", 7)
    company.rule.follow_user, company.rule.alias_days = True, 90
    company.rule.save()
    run = company.apply_rules()
    assert run.state == Run.State.WAITING
    assert "changed SIP URI, 40 planned" in run.breaches[0]
    assert _renamed() == 0
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    assert _renamed() == 40
    assert Alias.objects.count() == 40


def test_many_accepted_proposals_pass_the_same_limits_and_are_asked_again_when_discarded(
    company: Company, brand: list[Somebody]
) -> None:
    company.rule.save()
    company.apply_rules()
    assert Proposal.objects.count() == 40
    for _ in range(2):
        run = accept_proposals(proposals=Proposal.objects.all(), actor=COMMAND_LINE)
        runs.execute_run(run_id=run.pk)
        run.refresh_from_db()
        assert run.state == Run.State.WAITING
        assert _renamed() == 0
        review.discard_run(run=run, actor=COMMAND_LINE)
        assert Proposal.objects.filter(state="open").count() == 40
    few = Proposal.objects.filter(pk__in=Proposal.objects.values("pk")[:2])
    run = accept_proposals(proposals=few, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    assert _renamed() == 2
    assert Proposal.objects.count() == 38
    assert decline_proposals(proposals=Proposal.objects.all(), actor=COMMAND_LINE) == 38
    assert rows_of(company.apply_rules()) == []


def test_an_edited_formula_is_proposed_to_everybody_and_changes_nobody(
    company: Company, ring: list[Somebody]
) -> None:
    company.rule.follow_user = False
    company.rule.user_formula = "'new-{login}'"
    company.rule.save()
    company.apply_rules()
    assert sorted(Proposal.objects.values_list("aor", flat=True)) == [
        f"new-{letter}@voice.example.com" for letter in "abcd"
    ]
    assert _logins(company, ring) == "abcd"
    assert rows_of(company.apply_rules()) == []
    assert set(Account.objects.values_list("state", flat=True)) == {State.ACTIVE}
