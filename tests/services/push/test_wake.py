"""Celery messages: sent after commit, and a broker that is down costs a save nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from provisioning.services import wake

pytestmark = pytest.mark.django_db


def test_a_message_is_sent_after_the_commit_and_not_before(
    messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        wake.push(store_id=7)
        wake.run(run_id=8)
        wake.check_server(server_id=9)
        assert messages == []
    assert messages == [
        ("provisioning.tasks.push_store", (7,)),
        ("provisioning.tasks.execute_run", (8,)),
        ("provisioning.tasks.check_server", (9,)),
    ]


def test_a_rolled_back_transaction_sends_nothing(
    messages: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        wake.push(store_id=7)
        transaction.set_rollback(True)
    assert messages == []
