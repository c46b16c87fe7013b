"""Lists as CSV: what the filter shows, safe in a spreadsheet, for whoever may see the list."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from provisioning.core.states import State
from provisioning.models import Number
from provisioning.services.accounts.blocks import block_account
from provisioning.services.actor import COMMAND_LINE
from tests.factories import make_account, make_person, make_site, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.database]
LISTS = ("accounts-csv", "people-csv", "audit-csv")


def downloaded(client: Client, name: str, **query: Any) -> list[dict[str, str]]:
    response: Any = client.get(reverse(name), query)
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", LISTS)
def test_a_stranger_gets_no_list(client: Client, name: str) -> None:
    assert client.get(reverse(name)).status_code == 302


def test_accounts_come_as_the_filter_shows_them(as_viewer: Client) -> None:
    person = make_person("Zoë Müller", login="zoe", mail="zoe@example.com")
    account = make_account(person=person, site=make_site("Köln"), state=State.ACTIVE)
    Number.objects.create(e164="+4922112345", state="assigned", account=account)
    make_account("=SUM(A1)", state=State.BLOCKED)
    (row,) = downloaded(as_viewer, "accounts-csv", state="active")
    assert row["SIP URI"] == account.aor
    assert (row["user name"], row["mail"], row["site"]) == ("zoe", "zoe@example.com", "Köln")
    assert (row["number"], row["state"]) == ("'+4922112345", "Active")
    assert row["changed"].endswith("+00:00")
    assert [row["name"] for row in downloaded(as_viewer, "accounts-csv", q="sum")] == ["'=SUM(A1)"]
    assert as_viewer.get(reverse("accounts-csv"), {"secret": "1"}).status_code == 400


def test_people_come_with_the_address_of_their_account(as_viewer: Client) -> None:
    source = make_source(name="Company")
    served = make_person("Ann Other", source=source)
    make_account(person=served, slot="second", user_part="ann.second")
    first = make_account(person=served, user_part="ann")
    make_account(person=make_person("Bob", source=source), state=State.REMOVED)
    rows = downloaded(as_viewer, "people-csv")
    told = [(row["name"], row["source"], row["SIP URI"]) for row in rows]
    assert told == [("Ann Other", "Company", first.aor), ("Bob", "Company", "")]
    assert [row["name"] for row in downloaded(as_viewer, "people-csv", account="no")] == ["Bob"]


def test_the_audit_log_comes_newest_first_with_what_was_done(as_viewer: Client) -> None:
    for name in ("Lobby", "Gate"):
        block_account(account=make_account(name), reason="Stolen", actor=COMMAND_LINE)
    rows = downloaded(as_viewer, "audit-csv", action="block")
    assert [row["name"] for row in rows] == ["Gate", "Lobby"]
    assert "Stolen" in rows[0]["details"]


def test_no_row_asks_a_query_of_its_own(as_viewer: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            downloaded(as_viewer, "accounts-csv")
        return len(captured)

    make_account("One")
    few = queries()
    for n in range(20):
        make_account(f"Desk {n}")
    assert queries() == few
