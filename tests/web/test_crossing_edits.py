"""Two administrators edit the same thing: the second is told, and overwrites nothing unaware."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provisioning.core.roles import Role
from provisioning.models import ConfigStore, ConsoleUser, ServerPool
from tests.factories import make_pool, make_store
from tests.web.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SEAL = re.compile(r'name="as_opened" value="([0-9a-f]+)"')


@pytest.fixture
def colleague() -> Client:
    """Another administrator at another desk."""
    client = Client()
    user = ConsoleUser.objects.create_user("bea", "a long password", role=Role.ADMINISTRATOR)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def opened(client: Client, address: str) -> str:
    """What the form of a page says that it was opened with."""
    found = SEAL.search(client.get(address).content.decode())
    assert found
    return found[1]


def test_the_second_of_two_edits_is_refused_and_names_the_first(
    as_administrator: Client, colleague: Client
) -> None:
    pool = make_pool("Frankfurt")
    address = reverse("pool-edit", args=[pool.pk])
    mine = opened(as_administrator, address)
    first = {"name": "Berlin", "as_opened": opened(colleague, address)}
    assert colleague.post(address, first).status_code == 302

    response = as_administrator.post(address, {"name": "Paris", "as_opened": mine})

    assert response.status_code == 422
    said = text_of(response)
    assert "bea changed “Berlin” after you had opened this form. Nothing was saved." in said
    assert 'value="Paris"' in response.content.decode(), "what was typed is still there"
    assert ServerPool.objects.get().name == "Berlin"

    again = SEAL.search(response.content.decode())
    assert again
    again_sent = {"name": "Paris", "as_opened": again[1]}
    assert as_administrator.post(address, again_sent).status_code == 302
    assert ServerPool.objects.get().name == "Paris"


def test_what_the_console_notes_itself_crosses_no_edit(as_administrator: Client) -> None:
    store = make_store()
    address = reverse("store-edit", args=[store.pk])
    mine = opened(as_administrator, address)
    ConfigStore.objects.update(last_push_at=timezone.now(), problem="Away", failures=3)
    assert opened(as_administrator, address) == mine


def test_what_a_form_was_opened_with_tells_nothing_of_it(as_administrator: Client) -> None:
    store = make_store(host="db.example.com")
    address = reverse("store-edit", args=[store.pk])
    mine = opened(as_administrator, address)
    ConfigStore.objects.update(host="db.example.org")
    assert opened(as_administrator, address) != mine
    assert len(mine) == 40
