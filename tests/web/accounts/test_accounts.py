"""The pages and actions of accounts."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, Number, PendingChange, Pin
from tests.factories import (
    make_account,
    make_domain,
    make_person,
    make_pool,
    make_rule,
    make_site,
    make_store,
)
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db

ODD = 'Rob "O\'Neil" <b>& Söhne=1'


def page_names(response: Any) -> list[str]:
    return [row.name for row in response.context["page"].rows]


@pytest.mark.parametrize("name", ["accounts", "account-new", "people", "groups", "numbers"])
def test_nobody_sees_a_page_without_signing_in(client: Client, name: str) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


ACTIONS = ("block", "unblock", "rotate", "assign", "release", "restore", "remove", "rename")


@pytest.mark.parametrize("action", ACTIONS)
def test_a_viewer_changes_nothing(as_viewer: Client, action: str) -> None:
    account = make_account()
    address = reverse(f"account-{action}", args=[account.pk])
    response = as_viewer.post(address, {"reason": "x", "number": "+442079460001"})
    assert response.status_code == 403
    assert Account.objects.get().version == 1
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_no_link(as_administrator: Client, action: str) -> None:
    account = make_account()
    assert as_administrator.get(reverse(f"account-{action}", args=[account.pk])).status_code == 405


def test_a_viewer_sees_accounts_and_no_buttons_that_would_be_refused(as_viewer: Client) -> None:
    account = make_account()
    listed = as_viewer.get(reverse("accounts")).content.decode()
    assert "New account" not in listed
    assert 'name="pk"' not in listed
    page = as_viewer.get(reverse("account", args=[account.pk])).content.decode()
    assert account.aor in page
    assert "data-open-dialog" not in page
    assert as_viewer.get(reverse("account-new")).status_code == 403


def test_the_list_costs_the_same_number_of_queries_for_ten_and_for_a_thousand_accounts(
    as_administrator: Client,
) -> None:
    site, source = make_site(), make_person().source
    now = timezone.now()
    domain, pool = make_domain(), make_pool()
    Account.objects.bulk_create(
        Account(
            kind="person", domain=domain, pool=pool, site=site, user_part=f"u{i}",
            name=f"Name {i:04}", aor=f"u{i}@{domain}", name_key=f"name {i:04}",
            search_key=f"name {i:04}", state_since=now, created_at=now, changed_at=now,
            person=make_person(f"Name {i}", source=source) if i < 60 else None,
        )
        for i in range(1000)
    )  # fmt: skip
    address = reverse("accounts")
    assert "of 1,000 accounts" in text_of(as_administrator.get(address))
    queries = queries_of(as_administrator, address)
    assert queries <= 13
    Account.objects.exclude(user_part__in=[f"u{i}" for i in range(10)]).delete()
    assert queries_of(as_administrator, address) == queries


def test_filters_narrow_the_list_and_stand_in_the_address(as_viewer: Client) -> None:
    london, paris = make_site(), make_site("Paris", "FR")
    make_account("Aquarium", site=london)
    make_account("Bibliothèque", site=paris)
    make_account("Cellar", site=paris, state=State.BLOCKED, blocked=True)
    make_account("Gone", site=paris, state=State.REMOVED)
    address = reverse("accounts")
    assert page_names(as_viewer.get(address)) == ["Aquarium", "Bibliothèque", "Cellar"]
    assert page_names(as_viewer.get(address, {"site": paris.pk})) == ["Bibliothèque", "Cellar"]
    narrow = f"{address}?site={paris.pk}&q=BIBLIOTHEQUE"
    assert page_names(as_viewer.get(narrow)) == ["Bibliothèque"]
    assert page_names(as_viewer.get(address, {"state": ["blocked", "active"]})) == [
        "Aquarium", "Bibliothèque", "Cellar",
    ]  # fmt: skip
    assert page_names(as_viewer.get(address, {"state": "removed"})) == ["Gone"]
    assert page_names(as_viewer.get(address, {"sort": "-name"}))[0] == "Cellar"


@pytest.mark.parametrize(
    "query",
    [
        "sort=secret", "sort=credential__sealed_secret", "state=nonsense", "site=9999",
        "person__mail=x", "cursor=forged", "state__in=active", "q=a%00b",
    ],
)  # fmt: skip
def test_what_the_list_does_not_offer_is_refused(as_viewer: Client, query: str) -> None:
    make_account()
    assert as_viewer.get(f"{reverse('accounts')}?{query}").status_code == 400


def test_htmx_gets_the_results_alone(as_viewer: Client) -> None:
    make_account()
    response = as_viewer.get(reverse("accounts"), headers={"HX-Request": "true"})
    assert "<html" not in response.content.decode()
    assert "Meeting room 1" in response.content.decode()


def test_no_match_says_what_to_try(as_viewer: Client) -> None:
    assert "No account matches" in text_of(as_viewer.get(reverse("accounts"), {"q": "nobody"}))


def test_odd_names_are_shown_as_text(as_administrator: Client) -> None:
    account = make_account(ODD)
    for address in (reverse("accounts"), reverse("account", args=[account.pk])):
        page = as_administrator.get(address).content.decode()
        assert "<b>& Söhne" not in page
        assert "&lt;b&gt;&amp; Söhne=1" in page


def test_the_columns_are_chosen_for_the_session(as_viewer: Client) -> None:
    make_account(rule=make_rule(name="Everybody"))
    as_viewer.post(f"{reverse('accounts-columns')}?q=room", {"column": ["rule", "nonsense"]})
    page = text_of(as_viewer.get(reverse("accounts")))
    assert "Everybody" in page
    assert "sip:" not in page


def test_a_room_is_made_from_the_form(as_helpdesk: Client) -> None:
    make_domain(), make_pool(), make_site()
    form = as_helpdesk.get(reverse("account-new")).context["form"]
    values = {
        "kind": "room",
        "name": ODD,
        "user_part": "aquarium",
        "domain": form.initial["domain"],
        "pool": form.initial["pool"],
        "number": "+44 20 7946 0123",
    }
    response = as_helpdesk.post(reverse("account-new"), values, follow=True)
    account = Account.objects.get()
    assert (account.name, account.number.e164) == (ODD, "+442079460123")
    assert "reaches the managed SIP servers" in text_of(response)


@pytest.mark.parametrize("page", ["account-new", "rule-new"])
def test_where_nothing_can_be_chosen_yet_the_form_leads_to_the_first(
    as_administrator: Client, page: str
) -> None:
    form = as_administrator.get(reverse(page)).content.decode()
    for first in ("domain-new", "pool-new"):
        assert f'<a href="{reverse(first)}">' in form
    make_domain(), make_pool()
    form = as_administrator.get(reverse(page)).content.decode()
    for first in ("domain-new", "pool-new"):
        assert f'<a href="{reverse(first)}">' not in form


def test_the_end_date_of_a_contractor_stands_in_its_form_as_browsers_read_it(
    as_helpdesk: Client,
) -> None:
    account = make_account("Ann", kind=Account.Kind.CONTRACTOR, ends_on=date(2031, 12, 3))
    page = as_helpdesk.get(reverse("account-edit", args=[account.pk])).content.decode()
    assert re.search(r'type="date" name="ends_on" value="2031-12-03"', page)


def test_a_room_with_a_taken_address_is_not_made_and_the_form_says_whose_it_is(
    as_helpdesk: Client,
) -> None:
    taken = make_account("Reception", user_part="reception")
    response = as_helpdesk.post(
        reverse("account-new"),
        {"kind": "room", "name": "New", "user_part": "RECEPTION", "domain": taken.domain_id,
         "pool": taken.pool_id},
    )  # fmt: skip
    assert response.status_code == 422
    assert "belongs to Reception" in text_of(response)
    assert Account.objects.count() == 1


def test_a_line_break_in_a_name_is_refused(as_helpdesk: Client) -> None:
    domain, pool = make_domain(), make_pool()
    response = as_helpdesk.post(
        reverse("account-new"),
        {"kind": "room", "name": "a\u2028account.1.password=x", "user_part": "a",
         "domain": domain.pk, "pool": pool.pk},
    )  # fmt: skip
    assert "line break" in text_of(response)
    assert not Account.objects.exists()


def test_the_help_desk_blocks_with_a_reason_and_unblocks(as_helpdesk: Client) -> None:
    account = make_account()
    address = reverse("account", args=[account.pk])
    response = as_helpdesk.post(
        reverse("account-block", args=[account.pk]), {"reason": "Phone stolen"}, follow=True
    )
    assert "is blocked" in text_of(response)
    assert "Phone stolen" in text_of(as_helpdesk.get(address))
    as_helpdesk.post(reverse("account-unblock", args=[account.pk]))
    assert Account.objects.get().state == State.ACTIVE


def test_a_block_without_a_reason_changes_nothing_and_says_so(as_helpdesk: Client) -> None:
    account = make_account()
    response = as_helpdesk.post(reverse("account-block", args=[account.pk]))
    assert response.status_code == 422
    assert "Nothing was saved." in text_of(response)
    assert "This field is required." in text_of(response)
    assert Account.objects.get().state == State.ACTIVE


def test_a_taken_number_names_its_holder(as_helpdesk: Client) -> None:
    holder, other = make_account("Reception"), make_account("Lobby")
    Number.objects.create(e164="+442079460001", state="assigned", account=holder)
    response = as_helpdesk.post(
        reverse("account-assign", args=[other.pk]), {"number": "+44 20 7946 0001"}, follow=True
    )
    assert "belongs to Reception" in text_of(response)
    assert Number.objects.get().account == holder


def test_a_number_is_assigned_and_released(as_helpdesk: Client) -> None:
    account = make_account(site=make_site())
    as_helpdesk.post(reverse("account-assign", args=[account.pk]), {"number": "020 7946 0001"})
    assert Number.objects.get().account == account
    as_helpdesk.post(reverse("account-release", args=[account.pk]), {"free": "on"})
    assert Number.objects.get().state == "free"


def test_a_leaver_is_restored_and_the_pin_ended(as_helpdesk: Client) -> None:
    make_rule()
    account = make_account(person=make_person(left_at=timezone.now()), state=State.GRACE)
    tomorrow = timezone.localdate() + timedelta(days=1)
    as_helpdesk.post(
        reverse("account-restore", args=[account.pk]), {"reason": "Handover", "ends_on": tomorrow}
    )
    assert Account.objects.get().state == State.ACTIVE
    pin = Pin.objects.get()
    page = text_of(as_helpdesk.get(reverse("account", args=[account.pk])))
    assert "Handover · Henry Help" in page
    as_helpdesk.post(reverse("account-pin-end", args=[account.pk, pin.pk]))
    assert Account.objects.get().state == State.GRACE


def test_the_pin_of_another_account_cannot_be_ended(as_helpdesk: Client) -> None:
    account, other = make_account(), make_account()
    pin = Pin.objects.create(account=other, field="pool", value="1", reason="x")
    address = reverse("account-pin-end", args=[account.pk, pin.pk])
    assert as_helpdesk.post(address).status_code == 404
    assert Pin.objects.exists()


def test_a_new_credential_is_never_shown(as_helpdesk: Client) -> None:
    account = make_account()
    response = as_helpdesk.post(reverse("account-rotate", args=[account.pk]), follow=True)
    assert "new credential" in text_of(response)
    account.refresh_from_db()
    secret = account.credential.secret()
    assert secret is not None
    assert secret not in response.content.decode()


def test_only_who_configures_may_rename(as_helpdesk: Client, as_administrator: Client) -> None:
    account = make_account()
    address, values = (
        reverse("account-rename", args=[account.pk]),
        {"user_part": "new", "reason": "x"},
    )
    assert as_helpdesk.post(address, values).status_code == 403
    as_administrator.post(address, values)
    assert Account.objects.get().aor == "new@voice.example.com"


def test_a_persons_pool_is_changed_with_a_reason_only(as_helpdesk: Client) -> None:
    account, tokyo = make_account(person=make_person()), make_pool("Tokyo")
    address = reverse("account-edit", args=[account.pk])
    refused = as_helpdesk.post(address, {"pool": tokyo.pk})
    assert refused.status_code == 422
    assert "Say why" in text_of(refused)
    as_helpdesk.post(address, {"pool": tokyo.pk, "reason": "Moved"})
    assert Account.objects.get().pool == tokyo


def test_removed_accounts_offer_no_actions(as_helpdesk: Client) -> None:
    account = make_account()
    as_helpdesk.post(reverse("account-remove", args=[account.pk]), {"reason": "rebuilt"})
    page = as_helpdesk.get(reverse("account", args=[account.pk])).content.decode()
    assert "Removed" in page
    assert "data-open-dialog" not in page


def test_everything_that_matches_is_blocked_with_one_reason(
    as_helpdesk: Client, as_administrator: Client
) -> None:
    for i in range(60):
        make_account(f"Room {i}")
    other = make_account("Lobby")
    query = "?q=room"
    asked = as_helpdesk.post(
        reverse("accounts-bulk") + query, {"action": "block", "all": "1", "pk": other.pk}
    )
    assert "Block 60 accounts" in text_of(asked)
    assert "and 40 more" in text_of(asked)
    ids = asked.context["form"].initial["ids"]
    refused = as_helpdesk.post(reverse("accounts-block") + query, {"ids": ids})
    assert refused.status_code == 422
    assert not Account.objects.filter(blocked=True).exists()
    sent = {"ids": ids, "reason": "Audit", "approved": "on"}
    as_administrator.post(reverse("accounts-block") + query, sent)
    assert Account.objects.filter(state=State.BLOCKED).count() == 60
    ticked = list(Account.objects.filter(blocked=True).values_list("pk", flat=True)[:2])
    as_helpdesk.post(reverse("accounts-bulk"), {"action": "unblock", "pk": ticked})
    assert Account.objects.filter(state=State.BLOCKED).count() == 58


@pytest.mark.parametrize("action", ["block", "rotate"])
def test_what_passes_a_limit_is_told_before_and_left_to_who_may_approve(
    as_helpdesk: Client, as_administrator: Client, action: str
) -> None:
    pks = [make_account(f"Room {i}").pk for i in range(3)]
    asked = {"action": action, "pk": pks}
    shown = as_helpdesk.post(reverse("accounts-bulk"), asked)
    assert "3 of them work now" in text_of(shown)
    assert "3 planned; at most 1 of 3 pass without approval" in text_of(shown)
    assert "btn-danger" not in shown.content.decode()
    sent = {"ids": ",".join(map(str, pks)), "reason": "Audit"}
    for client, extra in ((as_helpdesk, {"approved": "on"}), (as_administrator, {})):
        refused = client.post(reverse(f"accounts-{action}"), sent | extra)
        assert refused.status_code == 422
        assert "Nothing was changed" in text_of(refused)
    assert not Account.objects.exclude(version=1).exists()
    offered = as_administrator.post(reverse("accounts-bulk"), asked).content.decode()
    assert 'type="checkbox" name="approved"' in offered
    done = as_administrator.post(reverse(f"accounts-{action}"), sent | {"approved": "on"})
    assert done.status_code == 302


def test_ticked_accounts_are_exported_and_all_that_match_by_the_filter(as_helpdesk: Client) -> None:
    one, two, _ = make_account("A"), make_account("B"), make_account("C")
    ticked = {"action": "export", "pk": [one.pk, two.pk]}
    response = as_helpdesk.post(reverse("accounts-bulk"), ticked)
    assert response["Location"] == f"{reverse('accounts-export')}?chosen={one.pk},{two.pk}"
    assert as_helpdesk.get(response["Location"]).context["total"] == 2
    every = as_helpdesk.post(reverse("accounts-bulk") + "?q=a", {"action": "export", "all": "1"})
    assert every["Location"] == f"{reverse('accounts-export')}?q=a"
    assert as_helpdesk.get(reverse("accounts"), {"chosen": "1;2"}).status_code == 400


@pytest.mark.parametrize(
    "values", [{"action": "delete", "pk": "1"}, {"action": "block", "pk": "1 OR 1=1"}]
)
def test_a_forged_bulk_action_is_refused(as_helpdesk: Client, values: dict[str, str]) -> None:
    account = make_account()
    if values["pk"] == "1":
        values = values | {"pk": str(account.pk)}
    assert as_helpdesk.post(reverse("accounts-bulk"), values).status_code == 400


@pytest.mark.parametrize("name", ["account", "account-clients", "account-why", "account-history"])
def test_every_tab_of_an_account_shows_with_few_queries(
    as_viewer: Client, name: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_rule()
    account = make_account(person=make_person())
    with django_assert_max_num_queries(25):
        response = as_viewer.get(reverse(name, args=[account.pk]))
    assert response.status_code == 200
    assert account.aor in response.content.decode()


def test_pages_carry_no_inline_script_or_style(as_administrator: Client) -> None:
    account = make_account(person=make_person())
    for address in (reverse("accounts"), reverse("account", args=[account.pk])):
        page = as_administrator.get(address).content.decode()
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", page)


def test_the_page_of_an_account_says_when_a_store_refused_it(as_viewer: Client) -> None:
    account, store = make_account(), make_store(name="Registrars")
    PendingChange.objects.create(
        store=store, kind="subscriber", key=account.aor, dead=True, problem="It stands there.",
        marked_at=timezone.now(),
    )  # fmt: skip
    page = text_of(as_viewer.get(f"/accounts/{account.pk}/"))
    assert "Not written to Registrars. It stands there." in page
    assert "At Registrars Problem" in page


def test_a_filter_by_sites_is_offered_once_there_is_a_site(as_viewer: Client) -> None:
    assert 'name="site"' not in as_viewer.get("/accounts/").content.decode()
    make_site()
    assert 'name="site"' in as_viewer.get("/accounts/").content.decode()
