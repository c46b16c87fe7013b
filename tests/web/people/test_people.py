"""The pages of people and groups."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from provisioning.models import GroupNesting, PlannedChange, Run
from tests.factories import make_account, make_group, make_person, make_pool, make_source
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db


def names(client: Client, **query: str) -> list[str]:
    response = client.get(reverse("people"), query)
    return [person.display_name for person in response.context["page"].rows]


def test_people_are_filtered_by_source_presence_account_and_conflict(as_viewer: Client) -> None:
    berlin, paris = make_source(name="Berlin"), make_source(name="Paris")
    make_account(person=make_person("Anna", source=berlin))
    make_person("Bert", source=berlin, disabled=True)
    make_person("Cécile", source=paris, problem="The number is taken.")
    make_person("Dora", source=paris, left_at=timezone.now())
    assert names(as_viewer) == ["Anna", "Bert", "Cécile", "Dora"]
    assert names(as_viewer, source=str(berlin.pk)) == ["Anna", "Bert"]
    assert names(as_viewer, presence="left") == ["Dora"]
    assert names(as_viewer, account="no") == ["Bert", "Cécile", "Dora"]
    assert names(as_viewer, account="yes") == ["Anna"]
    assert names(as_viewer, conflict="true") == ["Cécile"]
    assert names(as_viewer, disabled="true") == ["Bert"]
    assert names(as_viewer, q="cecile") == ["Cécile"]
    assert as_viewer.get(reverse("people"), {"presence": "maybe"}).status_code == 400


def test_the_list_of_people_costs_the_same_number_of_queries_for_any_length(
    as_viewer: Client,
) -> None:
    source = make_source()
    for i in range(3):
        make_account(person=make_person(f"P{i}", source=source))
    queries = queries_of(as_viewer, reverse("people"))
    assert queries <= 12
    for i in range(60):
        make_account(person=make_person(f"Q{i}", source=source))
    assert queries_of(as_viewer, reverse("people")) == queries


def test_a_person_shows_the_directory_and_the_account_on_one_page(as_viewer: Client) -> None:
    person = make_person('Rob "<i>" O\'Neil & =1', mail="rob@example.com", problem="Number taken.")
    account = make_account(person=person)
    response = as_viewer.get(reverse("person", args=[person.pk]))
    page = text_of(response)
    assert "rob@example.com" in page
    assert f"sip:{account.aor}" in page
    assert "Number taken." in page
    assert f"Mastered by {person.source}" in page
    assert "<i>" not in response.content.decode()


def test_a_person_without_an_account_is_explained(as_viewer: Client) -> None:
    person = make_person()
    page = text_of(as_viewer.get(reverse("person-why", args=[person.pk])))
    assert "No enabled rule matches this person" in page


def test_the_way_into_a_nested_group_is_shown(
    as_viewer: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    person = make_person()
    team = make_group("Team", members=(person,))
    unit, company = (make_group(name, source=person.source) for name in ("Unit", "Company"))
    GroupNesting.objects.create(parent=unit, child=team)
    GroupNesting.objects.create(parent=company, child=unit)
    GroupNesting.objects.create(parent=team, child=company)  # a circle, as directories allow
    with django_assert_max_num_queries(12):
        page = text_of(as_viewer.get(reverse("person-groups", args=[person.pk])))
    assert "Ann Lee → Team → Unit → Company" in page
    assert "Directly" in page


def test_the_history_of_a_person_names_what_ids_stand_for(as_viewer: Client) -> None:
    person = make_person()
    tokyo = make_pool("Tokyo")
    run = Run.objects.create(kind="sync", source=person.source)
    PlannedChange.objects.create(
        run=run, source_id=person.source_id, ordinal=1, kind="account", key=f"{person.guid}/main",
        subject=person.guid, name=str(person), action="update", before={"pool": make_pool().pk},
        after={"pool": tokyo.pk, "search_key": "x"}, status="applied", at=timezone.now(),
    )  # fmt: skip
    page = text_of(as_viewer.get(reverse("person-history", args=[person.pk])))
    assert "home pool Frankfurt Tokyo" in page
    assert "search key" not in page


def test_the_history_tells_what_a_run_of_the_account_rules_did(as_viewer: Client) -> None:
    person = make_person()
    PlannedChange.objects.create(
        run=Run.objects.create(kind="rules"), source_id=person.source_id, ordinal=1,
        kind="account", key=f"{person.guid}/main", subject=person.guid, name=str(person),
        action="create", after={"aor": "ann@example.com"}, status="applied", at=timezone.now(),
    )  # fmt: skip
    page = text_of(as_viewer.get(reverse("person-history", args=[person.pk])))
    assert "Account created" in page
    assert "ann@example.com" in page


@pytest.mark.parametrize(
    ("name", "nothing", "no_match"),
    [
        ("people", "Nobody here yet", "Nobody matches"),
        ("groups", "No group yet", "No group matches"),
        ("accounts", "No account yet", "No account matches"),
        ("numbers", "No number yet", "No number matches"),
    ],
)
def test_a_list_with_nothing_says_where_that_comes_from_and_not_to_filter_less(
    as_viewer: Client, name: str, nothing: str, no_match: str
) -> None:
    assert nothing in text_of(as_viewer.get(reverse(name)))
    assert no_match in text_of(as_viewer.get(reverse(name), {"q": "nobody"}))
