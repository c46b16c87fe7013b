"""Two administrators edit the same thing: the second is told, and overwrites nothing unaware."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.roles import Role
from provisioning.models import (
    ClientProfile,
    ConfigStore,
    ConsoleUser,
    ServerPool,
    SettingValue,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.console import crossing
from provisioning.services.servers.pools import save_pool
from provisioning.web import as_opened
from provisioning.web.forms.sources import new_source
from tests.factories import make_account, make_pool, make_rule, make_store
from tests.security.console import forms_of
from tests.web.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SEAL = re.compile(r'name="as_opened" value="([0-9a-f]+-[0-9]+)"')


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


def shown(response: Any, address: str) -> dict[str, list[str]]:
    """What the form of a page holds that knows what it was opened with."""
    [form] = [each for each in forms_of(response.content, address) if "as_opened" in each.fields]
    # A choice without a value is none at all.
    return {name: [""] if values == ["on"] and name == "group" else values
            for name, values in form.fields.items()}  # fmt: skip


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
    assert "bea changed “Berlin” after you had opened this form (name: Frankfurt → Berlin)." in said
    assert said.count("Nothing was saved.") == 1
    assert 'value="Paris"' in response.content.decode(), "what was typed is still there"
    assert ServerPool.objects.get().name == "Berlin"

    again = SEAL.search(response.content.decode())
    assert again
    again_sent = {"name": "Paris", "as_opened": again[1]}
    assert as_administrator.post(address, again_sent).status_code == 302
    assert ServerPool.objects.get().name == "Paris"


def test_the_second_of_two_who_change_an_account_is_refused_and_names_the_first(
    as_administrator: Client, colleague: Client
) -> None:
    account = make_account("Aquarium")
    address = reverse("account-edit", args=[account.pk])
    sent = {"name": "Aquarium", "pool": str(account.pool_id), "site": "", "profile": ""}
    mine, theirs = opened(as_administrator, address), opened(colleague, address)
    first = sent | {"responsible": "Facilities", "as_opened": theirs}
    assert colleague.post(address, first).status_code == 302

    response = as_administrator.post(address, sent | {"name": "Terrarium", "as_opened": mine})

    assert response.status_code == 422
    said = text_of(response)
    assert "bea changed “Aquarium” after you had opened this form" in said
    assert "(responsible: nothing → Facilities)" in said
    account.refresh_from_db()
    assert (account.name, account.responsible) == ("Aquarium", "Facilities")
    again = sent | {"name": "Terrarium", "as_opened": opened(as_administrator, address)}
    assert as_administrator.post(address, again).status_code == 302
    account.refresh_from_db()
    assert (account.name, account.responsible) == ("Terrarium", "")


def test_the_second_of_two_values_of_a_setting_is_refused_and_names_the_first(
    as_administrator: Client, colleague: Client
) -> None:
    address = reverse("setting", args=["global", 0, "max_devices"])

    def seen(client: Client) -> str:
        return str(client.get(address).context["seen"])

    mine, theirs = seen(as_administrator), seen(colleague)
    assert colleague.post(address, {"value": "3", "seen": theirs}).status_code == 302
    for sent in ({"value": "5"}, {"reset": "1"}):
        response = as_administrator.post(address, sent | {"seen": mine})
        assert response.status_code == 422
        said = text_of(response)
        assert "bea changed “Devices at the same time” after you had opened this form" in said
        assert "(not given → 3 devices). The form shows what you typed" in said
        assert said.count("Nothing was saved.") == 1
        assert SettingValue.objects.get().value == 3
    assert 'name="seen" value="' in response.content.decode()
    again = {"value": "5", "seen": str(response.context["seen"])}
    assert as_administrator.post(address, again).status_code == 302
    assert SettingValue.objects.get().value == 5


Changes = Callable[[], tuple[str, str]]


def _rule() -> tuple[str, str]:
    rule = make_rule(name="First", user_formula="lower(login)")
    return reverse("rule-edit", args=[rule.pk]), "name"


def _source() -> tuple[str, str]:
    source = new_source("openldap")
    source.name, source.uris, source.person_bases = "First", "ldaps://127.0.0.1", "dc=example"
    source.bind_dn = "cn=reader,dc=example"
    source.save()
    source.set_bind_secret("s3cret")
    source.save()
    return reverse("source-edit", args=[source.pk]), "mapping-title"


def _scim() -> tuple[str, str]:
    source = new_source("scim")
    source.name = "First"
    source.save()
    return reverse("source-edit", args=[source.pk]), "name"


def _console_user() -> tuple[str, str]:
    user = ConsoleUser.objects.create_user("carl", "a long password", role=Role.VIEWER)
    return reverse("console-user", args=[user.pk]), "name"


def _profile() -> tuple[str, str]:
    profile = ClientProfile.objects.create(name="First", is_default=True)
    return reverse("profile-edit", args=[profile.pk]), "name"


@pytest.mark.parametrize("make", [_rule, _source, _scim, _console_user, _profile])
def test_whatever_is_edited_the_second_is_told_what_changed_and_loses_nothing(
    as_administrator: Client, colleague: Client, make: Changes
) -> None:
    address, field = make()
    theirs = shown(colleague.get(address), address)
    mine = shown(as_administrator.get(address), address)
    assert colleague.post(address, theirs | {field: "description"}).status_code == 302

    response = as_administrator.post(address, mine | {field: "info"})

    assert response.status_code == 422
    assert "bea changed" in text_of(response)
    assert "→ description" in text_of(response)
    assert shown(as_administrator.get(address), address)[field] == ["description"]
    again = shown(response, address)
    assert again[field] == ["info"], "what was typed is still there"
    assert as_administrator.post(address, again).status_code == 302
    assert shown(as_administrator.get(address), address)[field] == ["info"]


@pytest.mark.parametrize("make", [_rule, _source, _scim, _console_user, _profile])
def test_what_is_saved_between_reading_and_writing_is_not_overwritten(
    as_administrator: Client, colleague: Client, make: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when both press the button at once: the other one saves while this one is judged."""
    address, field = make()
    theirs = shown(colleague.get(address), address)
    mine = shown(as_administrator.get(address), address)
    begin = as_opened.begin

    def judge(request: Any, row: Any, fields: Any) -> str:
        said = begin(request, row, fields)
        monkeypatch.setattr(as_opened, "begin", begin)
        assert colleague.post(address, theirs | {field: "description"}).status_code == 302
        return said

    monkeypatch.setattr(as_opened, "begin", judge)
    response = as_administrator.post(address, mine | {field: "info"})
    assert response.status_code == 422
    assert "bea changed" in text_of(response) or "somebody else" in text_of(response)
    assert shown(as_administrator.get(address), address)[field] == ["description"]


def test_what_is_deleted_meanwhile_does_not_come_back(as_administrator: Client) -> None:
    pool = make_pool("Frankfurt")
    crossing.expect(pool)
    ServerPool.objects.all().delete()
    pool.name = "Berlin"
    with pytest.raises(InvalidInput, match="Somebody else deleted"):
        save_pool(pool=pool, actor=COMMAND_LINE)
    assert not ServerPool.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_the_same_instant_one_is_refused() -> None:
    pk = make_pool("Frankfurt").pk
    together, refused = Barrier(2), []

    def save(name: str) -> None:
        try:
            pool = ServerPool.objects.get(pk=pk)
            crossing.expect(pool)
            together.wait(60)
            pool.name = name
            save_pool(pool=pool, actor=COMMAND_LINE)
        except InvalidInput as error:
            refused.append((name, error.message))
        finally:
            connection.close()

    threads = [Thread(target=save, args=[name]) for name in ("Berlin", "Paris")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [(loser, said)] = refused
    kept = ServerPool.objects.get().name
    assert {kept, loser} == {"Berlin", "Paris"}
    assert f"name: Frankfurt → {kept}" in said


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
    assert re.fullmatch("[0-9a-f]{40}-0", mine)
