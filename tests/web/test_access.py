"""Every address says who may use it, and keeps to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from provisioning.core.roles import Capability
from provisioning.models import ConsoleUser

pytestmark = pytest.mark.django_db


def patterns(found: list[Any]) -> Iterator[URLPattern]:
    for entry in found:
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns)
        else:
            yield entry


EVERYTHING = list(patterns(get_resolver().url_patterns))
# SCIM addresses ask for a token of their source instead: tests/api/scim/test_tokens.py.
SCIM = {
    "scim", "scim-config", "scim-types", "scim-type", "scim-schemas", "scim-schema", "scim-users",
    "scim-user", "scim-groups", "scim-group", "scim-other",
}  # fmt: skip
OPEN = {"healthz", "provisioning-link", "readyz", "served", "setup", "sign-in", *SCIM}
# Clients of SCIM bring a token instead of signing in.
TOKEN = "scim"
# Leaving takes no capability.
OWN = {"sign-out"}


def capability(view: Callable[..., Any]) -> Capability | None:
    holder = getattr(view, "view_class", view)
    return getattr(holder, "capability", None)


def arguments(pattern: URLPattern) -> dict[str, Any]:
    return {
        name: 999_999 if type(converter).__name__ == "IntConverter" else "nothing"
        for name, converter in pattern.pattern.converters.items()
    }


@pytest.mark.parametrize("pattern", EVERYTHING, ids=str)
def test_every_address_is_open_on_purpose_or_needs_a_capability(pattern: URLPattern) -> None:
    name = pattern.name or ""
    if name.partition("-")[0] == TOKEN:
        address = reverse(name, kwargs=arguments(pattern))
        cache.clear()  # wrong tokens are counted
        assert {Client().get(address).status_code, Client().post(address).status_code} == {401}
    elif not getattr(pattern.callback, "login_required", True):
        assert name in OPEN
    else:
        assert name in OWN or capability(pattern.callback) is not None


@pytest.mark.parametrize("pattern", EVERYTHING, ids=str)
def test_nobody_gets_in_without_signing_in(administrator: ConsoleUser, pattern: URLPattern) -> None:
    if not getattr(pattern.callback, "login_required", True):
        return
    address = reverse(pattern.name or "", kwargs=arguments(pattern))
    for answer in (Client().get(address), Client().post(address)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("pattern", EVERYTHING, ids=str)
def test_a_role_without_the_capability_is_refused(as_viewer: Client, pattern: URLPattern) -> None:
    if capability(pattern.callback) in (None, Capability.VIEW):
        return
    address = reverse(pattern.name or "", kwargs=arguments(pattern))
    for answer in (as_viewer.get(address), as_viewer.post(address)):
        assert answer.status_code == 403
        assert "You may not do that" in answer.content.decode()


def test_a_part_of_a_page_never_becomes_the_sign_in_page(
    client: Client, viewer: ConsoleUser
) -> None:
    answer = client.get(
        "/accounts/?q=ann",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/accounts/?q=an"},
    )
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/sign-in/?next=%2Faccounts%2F%3Fq%3Dan"
    assert answer.content == b""


def test_a_form_that_is_sent_too_late_leads_back_to_its_page_and_not_to_its_address(
    client: Client,
) -> None:
    page = {"Referer": "http://testserver/sources/1/?tab=schedule"}
    answer = client.post("/sources/1/sync/", headers=page)
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in/?next=%2Fsources%2F1%2F%3Ftab%3Dschedule"
    assert client.post("/sources/1/sync/")["Location"] == "/sign-in/?next=%2F"
