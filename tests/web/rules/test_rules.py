"""Account rules: the ordered list, the form with its preview, and what follows from a change."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from provisioning.models import AccountRule, Run
from tests.factories import (
    make_account,
    make_domain,
    make_group,
    make_person,
    make_pool,
    make_rule,
    make_source,
)

pytestmark = [pytest.mark.django_db, pytest.mark.database]
HTMX = {"HX-Request": "true"}


def form(**values: Any) -> dict[str, Any]:
    return {
        "name": "Everybody", "enabled": "on", "group": "", "domain": make_domain().pk,
        "pool": make_pool().pk, "user_formula": "lower(login)", "number_source": "directory",
        "number_formula": "phone", "follow_number": "on", **values,
    }  # fmt: skip


@pytest.mark.parametrize("page", ["/rules/", "/rules/new/", "/rules/1/"])
def test_nobody_sees_rules_without_signing_in(client: Client, page: str) -> None:
    assert client.get(page).status_code == 302


@pytest.mark.parametrize(
    "page", ["new/", "preview/", "{pk}/", "{pk}/move/", "{pk}/switch/", "{pk}/delete/"]
)
def test_the_help_desk_changes_no_rule(as_helpdesk: Client, page: str) -> None:
    rule = make_rule()
    response = as_helpdesk.post(f"/rules/{page.format(pk=rule.pk)}", form())
    assert response.status_code == 403
    assert AccountRule.objects.get() == rule


def test_the_list_shows_rules_in_their_order_in_plain_words(as_viewer: Client) -> None:
    group = make_group("Sales")
    late = make_rule(name="The rest", position=20)
    make_rule(name="Sales first", position=10, group=group, follow_user=True)
    make_account(person=make_person(), rule=late)
    page = as_viewer.get("/rules/").content.decode()
    assert page.index("Sales first") < page.index("The rest")
    assert f'Members of <b><a href="/groups/{group.pk}/">Sales</a></b>' in page
    assert "follows changes" in page
    assert "1 account" in page
    assert "Ask " not in page


def test_the_list_needs_the_same_queries_for_one_rule_and_for_many(
    as_viewer: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(15):
        make_rule(group=make_group())
    with django_assert_max_num_queries(10):
        as_viewer.get("/rules/")


def test_a_rule_is_saved_and_leads_to_the_run_that_plans_what_follows(
    as_administrator: Client,
) -> None:
    group = make_group("Sales")
    response = as_administrator.post("/rules/new/", form(group=group.pk, follow_user="on"))
    rule, run = AccountRule.objects.get(), Run.objects.get()
    assert (rule.group, rule.follow_user, rule.number_source) == (group, True, "directory")
    assert response["Location"] == f"/changes/{run.pk}/"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("user_formula", "lower(logn)", "uses logn"),
        ("user_formula", "", "This field is required"),
        ("condition", "has(mail", "no closing bracket"),
        ("ou", "sales", "not a DN"),
        ("domain", "", "This field is required"),
        ("number_source", "range", ""),
        ("group", "99999", "not there any more"),
    ],
)
def test_a_bad_value_is_refused_at_its_field_and_nothing_is_kept(
    as_administrator: Client, field: str, value: str, said: str
) -> None:
    response = as_administrator.post("/rules/new/", form() | {field: value})
    assert response.status_code == 422
    at = "number_range" if value == "range" else field
    assert said in str(response.context["form"][at].errors)
    assert response.context["form"][at].errors
    assert not AccountRule.objects.exists()
    assert not Run.objects.exists()


def test_a_form_without_a_choice_of_group_is_never_taken_for_everybody(
    as_administrator: Client,
) -> None:
    sent = form()
    del sent["group"]
    response = as_administrator.post("/rules/new/", sent)
    assert response.status_code == 422
    assert "Choose a group" in response.content.decode()


def test_the_preview_shows_people_while_one_types(as_administrator: Client) -> None:
    make_person("Ann Lee", login="Ann.Lee", phone="+442079460001")
    sent = form(name="", user_formula="'x-{login}'")
    page = as_administrator.post("/rules/preview/", sent, headers=HTMX).content.decode()
    assert "1 of 1" in page
    assert "+442079460001" in page
    assert "sip:x-ann.lee@voice.example.com" in page
    wrong = sent | {"user_formula": "lower("}
    assert (
        "cannot be read"
        in as_administrator.post("/rules/preview/", wrong, headers=HTMX).content.decode()
    )
    assert not AccountRule.objects.exists()


def test_the_preview_asks_for_what_it_needs(as_administrator: Client) -> None:
    page = as_administrator.post("/rules/preview/", form(domain=""), headers=HTMX).content.decode()
    assert "Choose a SIP domain and a home pool" in page


def test_the_preview_of_a_saved_rule_keeps_it_as_it_is(as_administrator: Client) -> None:
    rule = make_rule()
    make_person("Ann Lee")
    as_administrator.post(f"/rules/{rule.pk}/preview/", form(user_formula="mail"), headers=HTMX)
    assert AccountRule.objects.get().user_formula == "lower(login)"


def test_rules_are_moved(as_administrator: Client) -> None:
    first, second = make_rule(name="A", position=1), make_rule(name="B", position=2)
    page = as_administrator.get("/rules/").content.decode()
    assert 'aria-label="B earlier"' in page
    as_administrator.post(f"/rules/{second.pk}/move/", {"direction": "up"})
    assert list(AccountRule.objects.all()) == [second, first]
    response = as_administrator.post(f"/rules/{second.pk}/move/", {"direction": "up"}, follow=True)
    assert "stands at that end already" in response.content.decode()
    assert as_administrator.get(f"/rules/{second.pk}/move/").status_code == 405


def test_the_list_leads_to_the_run_that_waits(as_viewer: Client) -> None:
    make_rule()
    run = Run.objects.create(kind="rules", state="waiting")
    page = as_viewer.get("/rules/").content.decode()
    assert f'href="/changes/{run.pk}/"' in page
    assert "wait for approval" in page


def test_a_rule_rests_decides_again_and_is_deleted(as_administrator: Client) -> None:
    rule = make_rule()
    as_administrator.post(f"/rules/{rule.pk}/switch/", {"enabled": "0"})
    assert not AccountRule.objects.get().enabled
    as_administrator.post(f"/rules/{rule.pk}/switch/", {"enabled": "1"})
    assert AccountRule.objects.get().enabled
    response = as_administrator.post(f"/rules/{rule.pk}/delete/")
    assert not AccountRule.objects.exists()
    assert response["Location"] == f"/changes/{Run.objects.get().pk}/"


def test_all_rules_are_previewed(as_helpdesk: Client) -> None:
    make_rule(source=make_source())
    response = as_helpdesk.post("/rules/run/", {"dry": "1"})
    run = Run.objects.get()
    assert (run.kind, run.dry) == (Run.Kind.RULES, True)
    assert response["Location"] == f"/changes/{run.pk}/"


def test_a_new_rule_begins_with_what_there_is_only_one_of(as_administrator: Client) -> None:
    domain, pool = make_domain(), make_pool()
    fields = as_administrator.get("/rules/new/").context["form"]
    assert (fields["domain"].value(), fields["pool"].value()) == (domain.pk, pool.pk)
    make_pool("Tokyo")
    assert as_administrator.get("/rules/new/").context["form"]["pool"].value() is None
