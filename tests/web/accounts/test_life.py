"""Leave, proposed SIP URIs, old ones and rehires on their pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import (
    Account,
    AccountRule,
    Alias,
    DirectorySource,
    Pin,
    Proposal,
    ProvisioningLink,
    Rehire,
    Run,
)
from tests.factories import make_account, make_person, make_rule, make_source
from tests.web.pages import queries_of, text_of

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def _proposed(name: str = "Ann Lee") -> Account:
    source = DirectorySource.objects.first() or make_source(name="Head office")
    person = make_person(name, source=source)
    user = person.login
    account = make_account(person=person, user_part=f"old.{user}", rule=_rule())
    Proposal.objects.create(
        account=account, aor=f"{user}@voice.example.com", created_at=timezone.now()
    )
    return account


def _rule() -> AccountRule:
    return AccountRule.objects.filter(name="Everybody").first() or make_rule(
        name="Everybody", alias_days=30
    )


def test_the_help_desk_gives_a_leave_and_ends_it(as_helpdesk: Client) -> None:
    account = make_account(person=make_person(), user_part="ann")
    until = timezone.localdate() + timedelta(days=60)
    response = as_helpdesk.post(
        f"/accounts/{account.pk}/hold/", {"ends_on": until.isoformat(), "reason": "Sabbatical"},
        follow=True,
    )  # fmt: skip
    assert f"is held until {until:%-d %b %Y}" in text_of(response)
    assert f"On leave until {until.day} " in text_of(response)
    pin = Pin.objects.get()
    make_rule()
    as_helpdesk.post(f"/accounts/{account.pk}/pins/{pin.pk}/end/")
    assert Account.objects.get().state == State.ACTIVE


@pytest.mark.parametrize("values", [{"reason": "x"}, {"ends_on": "2000-01-01", "reason": "x"}])
def test_a_leave_without_a_day_to_come_is_refused_in_its_dialog(
    as_helpdesk: Client, values: dict[str, str]
) -> None:
    account = make_account(person=make_person())
    response = as_helpdesk.post(f"/accounts/{account.pk}/hold/", values)
    assert response.status_code == 422
    assert Account.objects.get().state == State.ACTIVE


def test_a_proposal_is_taken_on_the_page_of_the_account_and_the_old_sip_uri_leads_on(
    as_administrator: Client, as_helpdesk: Client
) -> None:
    account = _proposed()
    ProvisioningLink.objects.create(
        account=account, format="linphone", token_hash="x", expires_at=timezone.now(),
        used_at=timezone.now(),
    )  # fmt: skip
    page = as_administrator.get(f"/accounts/{account.pk}/")
    wanted = Proposal.objects.get().aor
    assert f"New SIP URI proposed: sip:{wanted}" in text_of(page)
    assert "Must fetch their profile again: Linphone (1)" in text_of(page)
    address = f"/accounts/{account.pk}/proposal/"
    assert as_helpdesk.post(address, {"take": "1", "aor": wanted}).status_code == 403
    response = as_administrator.post(address, {"take": "1", "aor": wanted}, follow=True)
    assert f"is sip:{wanted} now." in text_of(response)
    assert f"sip:{account.aor} Leads here until" in text_of(response)
    alias = Alias.objects.get()
    response = as_administrator.post(f"/accounts/{account.pk}/aliases/{alias.pk}/end/", follow=True)
    assert f"{alias} has ended." in text_of(response)
    assert not Alias.objects.exists()


def test_a_proposal_that_was_another_one_meanwhile_is_not_taken(as_administrator: Client) -> None:
    account = _proposed()
    response = as_administrator.post(
        f"/accounts/{account.pk}/proposal/", {"take": "1", "aor": "x@voice.example.com"},
        follow=True,
    )  # fmt: skip
    assert "not proposed any more" in text_of(response)
    assert Account.objects.get().aor == account.aor


def test_all_proposals_of_a_filter_are_accepted_by_a_run(as_administrator: Client) -> None:
    for name in ("Ann Lee", "Ann Kay", "Bob Lee"):
        _proposed(name)
    page = text_of(as_administrator.get("/changes/proposals/?q=ann"))
    assert "Ann Kay" in page
    assert "Bob Lee" not in page
    response = as_administrator.post(
        "/changes/proposals/chosen/?q=ann", {"action": "accept", "all": "1"}
    )
    run = Run.objects.get(kind=Run.Kind.RENAMES)
    assert response["Location"] == f"/changes/{run.pk}/"
    assert Proposal.objects.filter(state="accepted").count() == 2


def test_chosen_proposals_are_declined_and_a_forged_decision_is_refused(
    as_administrator: Client, as_helpdesk: Client
) -> None:
    _proposed()
    proposal = Proposal.objects.get()
    address = "/changes/proposals/chosen/"
    values = {"action": "decline", "pk": str(proposal.pk)}
    assert as_helpdesk.post(address, values).status_code == 403
    assert as_administrator.post(address, {**values, "action": "x"}).status_code == 400
    response = as_administrator.post(address, values, follow=True)
    assert "1 account keeps its SIP URI." in text_of(response)
    response = as_administrator.post(address, values, follow=True)
    assert "That did not work." in text_of(response)


def test_the_list_of_proposals_costs_the_same_for_one_and_for_many(as_viewer: Client) -> None:
    _proposed()
    few = queries_of(as_viewer, "/changes/proposals/")
    for n in range(12):
        _proposed(f"Person {n}")
    assert queries_of(as_viewer, "/changes/proposals/") == few


def _offer() -> tuple[Account, Rehire]:
    source = make_source(name="Head office")
    former = make_person("Ann Lee", source=source, employee_id="4711", left_at=timezone.now())
    account = make_account(person=former, user_part="ann", state=State.GRACE)
    rehire = Rehire.objects.create(
        person=make_person("Ann Lee", source=source, employee_id="4711"), former=former,
        evidence=[["employee ID", "4711"]], created_at=timezone.now(),
    )  # fmt: skip
    make_rule(name="Everybody")
    return account, rehire


def test_an_offer_is_seen_with_its_evidence_accepted_and_undone(
    as_administrator: Client, as_helpdesk: Client
) -> None:
    account, rehire = _offer()
    for page in ("/changes/rehires/", f"/people/{rehire.person_id}/"):
        text = text_of(as_administrator.get(page))
        assert "looks like Ann Lee" in text
        assert "Same employee ID 4711" in text
        assert "Accepting gives back sip:ann@voice.example.com" in text
    address = f"/changes/rehires/{rehire.pk}/"
    assert as_helpdesk.post(address, {"act": "accept"}).status_code == 403
    response = as_administrator.post(address, {"act": "accept"}, follow=True)
    assert "has sip:ann@voice.example.com again" in text_of(response)
    assert "has the account of Ann Lee , who left" in text_of(response)
    account.refresh_from_db()
    assert (account.person, account.state) == (rehire.person, State.ACTIVE)
    as_administrator.post(address, {"act": "undo"})
    account.refresh_from_db()
    assert (account.person, account.state) == (rehire.former, State.GRACE)
    as_administrator.post(address, {"act": "decline"})
    assert "Nobody who came lately" in text_of(as_administrator.get("/changes/rehires/"))


def test_an_offer_decided_already_says_so(as_administrator: Client) -> None:
    _, rehire = _offer()
    address = f"/changes/rehires/{rehire.pk}/"
    as_administrator.post(address, {"act": "decline"})
    response = as_administrator.post(address, {"act": "accept"}, follow=True)
    assert "Somebody else decided on this already" in text_of(response)
