"""Moving chosen accounts, or all that a filter matches, to another pool."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from provisioning.models import Account, Pin, ServerPool
from tests.factories import make_account, make_person, make_pool, make_store
from tests.web.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> ServerPool:
    return make_pool("Berlin")


def address(query: str = "") -> str:
    return reverse("accounts-move") + query


def ask(pool: ServerPool, **values: Any) -> dict[str, Any]:
    return {"pool": pool.pk, "reason": "New building", **values}


def test_ticked_accounts_are_shown_and_then_moved(as_helpdesk: Client, berlin: ServerPool) -> None:
    account = make_account(person=make_person())
    other = make_account("Spared")
    begin = as_helpdesk.post(reverse("accounts-bulk"), {"action": "move", "pk": account.pk})
    assert f'value="{account.pk}"' in begin.content.decode()
    shown = as_helpdesk.post(address(), ask(berlin, ids=account.pk))
    assert "1 account would move to Berlin" in text_of(shown)
    assert not Pin.objects.exists()
    seen = shown.context["move"].seen
    done = as_helpdesk.post(
        address(), ask(berlin, ids=account.pk, seen=seen, move="1"), follow=True
    )
    assert "1 account moves to Berlin." in text_of(done)
    assert set(Account.objects.filter(pool=berlin)) == {account}
    other.refresh_from_db()
    assert other.version == 1


def test_all_that_match_are_moved_and_nobody_else(
    as_administrator: Client, berlin: ServerPool
) -> None:
    for number in range(12):
        make_account(f"Desk {number:02}")
    make_account("Lobby phone")
    begin = as_administrator.post(
        reverse("accounts-bulk") + "?q=desk", {"action": "move", "all": "1"}
    )
    assert 'action="/accounts/chosen/move/?q=desk"' in begin.content.decode()
    sent = ask(berlin, all="True", ids="")
    shown = as_administrator.post(address("?q=desk"), sent)
    assert "12 accounts would move to Berlin" in text_of(shown)
    sent |= {"seen": shown.context["move"].seen, "move": "1", "approved": "on"}
    done = as_administrator.post(address("?q=desk"), sent)
    assert done["Location"] == "/accounts/?q=desk"
    assert Account.objects.filter(pool=berlin).count() == 12


def test_nothing_moves_that_was_not_shown(as_helpdesk: Client, berlin: ServerPool) -> None:
    make_account("Desk 1")
    sent = ask(berlin, all="True")
    assert as_helpdesk.post(address("?q=desk"), sent | {"move": "1"}).status_code == 422
    shown = as_helpdesk.post(address("?q=desk"), sent)
    make_account("Desk 2")
    sent |= {"seen": shown.context["move"].seen, "move": "1"}
    refused = as_helpdesk.post(address("?q=desk"), sent)
    assert refused.status_code == 422
    assert "is not what was shown any more" in text_of(refused)
    assert "2 accounts would move" in text_of(refused)
    assert not Account.objects.filter(pool=berlin).exists()


def test_who_may_not_approve_is_not_offered_to_pass_a_limit(
    as_helpdesk: Client, as_administrator: Client, berlin: ServerPool
) -> None:
    make_store()
    for number in range(3):
        make_account(f"Desk {number}")
    sent = ask(berlin, all="True")
    shown = as_helpdesk.post(address(), sent)
    assert "More than a limit lets pass" in text_of(shown)
    assert 'name="move"' not in shown.content.decode()
    sent |= {"seen": shown.context["move"].seen, "move": "1", "approved": "on"}
    assert as_helpdesk.post(address(), sent).status_code == 422
    assert not Account.objects.filter(pool=berlin).exists()
    offered = as_administrator.post(address(), ask(berlin, all="True")).content.decode()
    assert 'type="checkbox" name="approved"' in offered
    assert as_administrator.post(address(), sent).status_code == 302


def test_a_viewer_moves_nothing(as_viewer: Client, berlin: ServerPool) -> None:
    account = make_account()
    sent = ask(berlin, ids=account.pk, move="1")
    assert as_viewer.post(address(), sent).status_code == 403
    assert as_viewer.get(address()).status_code == 403


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"ids": "1,x"}, "Choose the accounts"),
        ({"ids": "999999"}, "no such account"),
        ({"reason": ""}, "required"),
        ({"pool": "0"}, "Select a valid choice"),
        ({"ends_on": "2001-01-01"}, "The end date has passed"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(
    as_helpdesk: Client, berlin: ServerPool, values: dict[str, str], says: str
) -> None:
    account = make_account()
    response = as_helpdesk.post(address(), ask(berlin, ids=account.pk, move="1") | values)
    assert response.status_code == 422
    assert says in text_of(response)
    assert not Account.objects.filter(pool=berlin).exists()


def test_a_preview_of_forty_costs_no_more_queries_than_one_of_two(
    as_helpdesk: Client, berlin: ServerPool
) -> None:
    counts = []
    for count in (2, 38):
        for number in range(count):
            make_account(f"Desk {number}")
        with CaptureQueriesContext(connection) as queries:
            assert as_helpdesk.post(address(), ask(berlin, all="True")).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
