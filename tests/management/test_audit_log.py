"""`audit_log`: events as they were kept, filtered, and in the order that a collector needs."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from provisioning.models import AuditEvent, ConsoleUser
from provisioning.services.accounts.blocks import block_account, unblock_account
from provisioning.services.actor import COMMAND_LINE, Actor
from tests.factories import make_account

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("audit_log", *arguments, stdout=out)
    return out.getvalue()


def listed(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*arguments, "--json").splitlines()]


@pytest.fixture(autouse=True)
def events(administrator: ConsoleUser) -> None:
    """The room was blocked by somebody and unblocked on the command line."""
    account = make_account("Meeting room 1")
    block_account(account=account, reason="Lost phone", actor=Actor.of(administrator))
    unblock_account(account=account, actor=COMMAND_LINE)


def test_events_are_told_in_words_the_newest_first(administrator: ConsoleUser) -> None:
    newest, first = run().splitlines()
    assert "  command line  unblocked Meeting room 1 (state: Blocked → Active)" in newest
    assert administrator.username in first
    assert "reason: Lost phone" in first


def test_a_filter_finds_who_what_and_whom() -> None:
    assert [each["action"] for each in listed("--who", "command")] == ["unblocked"]
    assert [each["action"] for each in listed("--action", "blocked")] == ["unblocked", "blocked"]
    assert [each["action"] for each in listed("--of", "ROOM", "--action", "unbl")] == ["unblocked"]
    assert run("--of", "nothing like it") == ""


def test_days_are_whole_and_one_that_is_none_is_said() -> None:
    today = timezone.localdate()
    assert len(listed("--since", str(today), "--until", str(today))) == 2
    assert listed("--since", str(today + timedelta(days=1))) == []
    assert listed("--until", str(today - timedelta(days=1))) == []
    with pytest.raises(CommandError, match="“yesterday” is no day such as 2027-01-31"):
        run("--since", "yesterday")


def test_a_collector_goes_on_where_it_ended(django_assert_num_queries: Any) -> None:
    first, second = AuditEvent.objects.order_by("pk")
    with django_assert_num_queries(1):
        told = listed("--after", "0")
    assert [(each["event"], each["hash"]) for each in told] == [
        (first.pk, first.hash), (second.pk, second.hash),
    ]  # fmt: skip
    assert [each["event"] for each in listed("--after", str(first.pk))] == [second.pk]
    assert listed("--after", str(second.pk)) == []
