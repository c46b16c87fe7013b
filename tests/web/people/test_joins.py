"""The pages on which entries of several sources become one person."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from provisioning.core.states import State
from provisioning.models import Apart, Joining, Person, Run
from provisioning.services.runs import runs
from tests.factories import make_account, make_person, make_source
from tests.web.pages import queries_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair() -> tuple[Person, Person]:
    """Two entries of two sources with the same mail; the first has the account."""
    one = make_person("Ann Lee", source=make_source(name="Head office"), mail="ann@example.com")
    other = make_person("Ann B. Lee", source=make_source(name="Bought"), mail="Ann@example.com",
                        title="Engineer")  # fmt: skip
    make_account(person=one)
    return one, other


def _done(run: Run) -> Run:
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    return run


def test_a_stranger_is_sent_to_sign_in(client: Client, pair: tuple[Person, Person]) -> None:
    for name, args in (("source-joins", ()), ("person-join", (pair[0].pk,))):
        assert "sign-in" in client.get(reverse(name, args=args))["Location"]


def test_whoever_may_only_look_changes_nothing(
    as_viewer: Client, pair: tuple[Person, Person]
) -> None:
    page = text_of(as_viewer.get(reverse("source-joins")))
    assert "Order of sources" in page
    assert "Preview" not in page
    assert "Save" not in page
    sources = {"one": pair[0].source_id, "other": pair[1].source_id, "by": "mail"}
    other = {"other": pair[1].pk, "act": "join"}
    for name, args, values in (
        ("source-joins-find", (), sources),
        ("source-joins-save", (), {"service": "any"}),
        ("source-joins-order", (pair[0].source_id,), {"direction": "down"}),
        ("person-join", (pair[0].pk,), other),
        ("person-separate", (pair[1].pk,), {}),
    ):
        assert as_viewer.post(reverse(name, args=args), values).status_code == 403
    assert not Run.objects.exists()
    assert not Joining.objects.exists()


def test_a_preview_becomes_the_run_that_joins(
    as_administrator: Client, pair: tuple[Person, Person]
) -> None:
    sources = {"one": pair[0].source_id, "other": pair[1].source_id, "by": "mail"}
    answer = as_administrator.post(reverse("source-joins-find"), sources)
    preview = _done(Run.objects.get())
    assert answer["Location"] == reverse("run", args=[preview.pk])
    page = text_of(as_administrator.get(reverse("run", args=[preview.pk])))
    assert f"is Ann Lee ({pair[0].login}, Head office)" in page
    assert "mail ann@example.com" in page
    assert "Join them" in page
    as_administrator.post(reverse("run-join", args=[preview.pk]))
    _done(Run.objects.latest("pk"))
    pair[1].refresh_from_db()
    assert pair[1].same_as == pair[0]
    assert "Preview an undo" in text_of(as_administrator.get(reverse("run", args=[preview.pk + 1])))


def test_two_sources_have_to_be_two(as_administrator: Client, pair: tuple[Person, Person]) -> None:
    same = {"one": pair[0].source_id, "other": pair[0].source_id, "by": "mail"}
    answer = as_administrator.post(reverse("source-joins-find"), same)
    assert answer.status_code == 422
    assert "Choose another source than the first." in text_of(answer)


def test_what_counts_is_kept_and_shown(
    as_administrator: Client, pair: tuple[Person, Person]
) -> None:
    first, second = (person.source for person in pair)
    given = {"service": "any", "holds": ["mail"], "first-title": str(first.pk)}
    as_administrator.post(reverse("source-joins-save"), given)
    joining = Joining.objects.get()
    assert joining.order == [first.pk, second.pk]
    assert (joining.service, joining.holds, joining.orders) == (
        "any", ["mail"], {"title": [first.pk]},
    )  # fmt: skip
    as_administrator.post(reverse("source-joins-order", args=[first.pk]), {"direction": "down"})
    joining.refresh_from_db()
    assert joining.order == [second.pk, first.pk]
    assert joining.service == "any"
    page = text_of(as_administrator.get(reverse("source-joins")))
    assert page.index("1 Bought") < page.index("2 Head office")
    refused = as_administrator.post(reverse("source-joins-save"), {"service": "nobody"})
    assert refused.status_code == 422


def test_the_page_of_a_person_shows_every_entry_and_where_values_come_from(
    as_administrator: Client, as_viewer: Client, pair: tuple[Person, Person]
) -> None:
    pair[1].same_as = pair[0]
    pair[1].save()
    for person in pair:
        page = text_of(as_administrator.get(reverse("person", args=[person.pk])))
        assert "One person, 2 entries" in page
        assert "Title Engineer Bought" in page
        assert "Name Ann Lee Head office" in page
        assert "Separate" in page
    assert "Separate" not in text_of(as_viewer.get(reverse("person", args=[pair[0].pk])))
    assert "Joined" in text_of(as_viewer.get(reverse("people"), {"joined": "true"}))
    why = text_of(as_viewer.get(reverse("person-why", args=[pair[1].pk])))
    assert "An entry of the person in Head office" in why


def test_two_people_are_joined_and_separated_by_hand(
    as_administrator: Client, pair: tuple[Person, Person]
) -> None:
    address = reverse("person-join", args=[pair[0].pk])
    page = text_of(as_administrator.get(address))
    assert "Same mail Ann@example.com" in page
    as_administrator.post(address, {"other": pair[1].pk, "act": "join"})
    _done(Run.objects.get())
    pair[1].refresh_from_db()
    assert pair[1].same_as == pair[0]
    assert "Nobody else has the same" in text_of(as_administrator.get(address))
    as_administrator.post(reverse("person-separate", args=[pair[1].pk]))
    _done(Run.objects.latest("pk"))
    assert not Person.objects.filter(same_as__isnull=False).exists()
    again = as_administrator.post(reverse("person-separate", args=[pair[1].pk]), follow=True)
    assert "is nobody else's entry" in text_of(again)


def test_who_is_kept_apart_is_not_offered_again(
    as_administrator: Client, pair: tuple[Person, Person]
) -> None:
    address = reverse("person-join", args=[pair[1].pk])
    as_administrator.post(address, {"other": pair[0].pk, "act": "apart"})
    assert (Apart.objects.get().one, Apart.objects.get().other) == pair
    assert "Nobody else has the same" in text_of(as_administrator.get(address))
    found = text_of(as_administrator.get(address, {"q": "ann lee"}))
    assert "Shares neither" not in found
    assert "Same mail" in found
    assert as_administrator.post(address, {"other": "x", "act": "join"}).status_code == 404


def test_a_person_without_another_entry_costs_few_queries(
    as_viewer: Client, pair: tuple[Person, Person]
) -> None:
    alone = queries_of(as_viewer, reverse("person", args=[pair[0].pk]))
    pair[1].same_as = pair[0]
    pair[1].save()
    assert queries_of(as_viewer, reverse("person", args=[pair[0].pk])) <= alone + 3
    assert queries_of(as_viewer, reverse("source-joins")) <= 16


def test_a_held_newcomer_is_led_to_the_decision(
    as_administrator: Client, pair: tuple[Person, Person]
) -> None:
    pair[1].problem = "Ann has the same mail, so this may be one person with two entries."
    pair[1].save()
    page = as_administrator.get(reverse("person", args=[pair[1].pk])).content.decode()
    assert f'href="{reverse("person-join", args=[pair[1].pk])}">Join or keep apart' in page
    assert "join the two or keep them apart" in text_of(
        as_administrator.get(reverse("changes-conflicts"))
    )


def test_an_account_of_a_joined_entry_says_why_it_is_in_grace(
    as_viewer: Client, pair: tuple[Person, Person]
) -> None:
    own = make_account(person=pair[1], state=State.GRACE)
    pair[1].same_as = pair[0]
    pair[1].save()
    page = text_of(as_viewer.get(reverse("account-why", args=[own.pk])))
    assert "This entry was joined to another one" in page
