"""Whatever is sent to whichever address: never an error of the console itself."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import quote_from_bytes, urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern

from provisioning.models import ConsoleUser
from tests.security.console import (
    Form,
    Furnished,
    body_of,
    forms_of,
    furnish,
    names_asked_for,
    patterns,
)

pytestmark = [pytest.mark.database, pytest.mark.django_db]

EVERYTHING = list(patterns())
HOSTILE = (
    b"a\x00b",
    b"x" * 10_000,
    b"9" * 5_000,
    b"99999999999999999999",
    "\u0663\u2028\r\n\u202e".encode(),  # a digit, but not an ASCII one, and breaks of lines
    b"\xed\xa0\x80%_\\'\")(*&|;--[{\xff",  # a lone surrogate, signs of every language
)
# What forms read in ways of their own: texts, and numbers of any size.
FOR_FIELDS = (HOSTILE[0], HOSTILE[1], HOSTILE[3])
# A probe of the machine's own parts answers 503 when one of them fails.
HEALTH = 503


@pytest.fixture
def furnished(db: None, monkeypatch: pytest.MonkeyPatch) -> Furnished:
    """One of everything; names that are no addresses are not looked up."""
    look_up = socket.getaddrinfo

    def literal(host: Any, *more: Any, **given: Any) -> Any:
        return look_up(host, *more, **{**given, "flags": socket.AI_NUMERICHOST})

    monkeypatch.setattr(socket, "getaddrinfo", literal)
    return furnish()


@pytest.fixture
def browser(administrator: ConsoleUser) -> Client:
    """An administrator's, to whom an error of the console is a page."""
    client = Client(raise_request_exception=False)
    client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    return client


def send(client: Client, method: str, address: str, fields: dict[str, list[bytes]]) -> None:
    """Sends and undoes it; an error of the console is an error of the test."""
    coded = "&".join(
        f"{quote_from_bytes(name.encode())}={quote_from_bytes(value)}"
        for name, values in fields.items()
        for value in values
    )
    with transaction.atomic():
        if method == "get":
            parts = urlsplit(address)
            answer = client.get(f"{parts.path}?{'&'.join(filter(None, (parts.query, coded)))}")
        else:
            answer = client.post(address, coded, content_type="application/x-www-form-urlencoded")
        shown = coded if len(coded) < 200 else f"{coded[:200]}…"
        problem = getattr(answer, "exc_info", None)
        assert answer.status_code < 500 or answer.status_code == HEALTH, (
            f"{method} {address} {shown}: {problem[1] if problem else answer.content[:300]!r}"
        )
        body_of(answer)
        transaction.set_rollback(True)


@pytest.mark.parametrize("pattern", EVERYTHING, ids=str)
def test_no_query_breaks_a_page(
    furnished: Furnished, browser: Client, pattern: URLPattern, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = furnished.address(pattern)
    for name in sorted(names_asked_for(monkeypatch, browser, address, "get") | {"unknown"}):
        for value in HOSTILE:
            send(browser, "get", address, {name: [value]})


@pytest.mark.parametrize("pattern", EVERYTHING, ids=str)
def test_no_post_breaks_an_action(
    furnished: Furnished, browser: Client, pattern: URLPattern, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = furnished.address(pattern)
    with transaction.atomic():
        names = names_asked_for(monkeypatch, browser, address, "post")
        transaction.set_rollback(True)
    for value in HOSTILE:
        send(browser, "post", address, {name: [value] for name in names})


@pytest.mark.parametrize("pattern", EVERYTHING, ids=str)
def test_no_field_breaks_a_form(furnished: Furnished, browser: Client, pattern: URLPattern) -> None:
    """Each field in turn, beside others that hold, so that it comes as far as it can."""
    address = furnished.address(pattern)
    with transaction.atomic():
        page = body_of(browser.get(address))
        around = set() if address == "/" else shell_of(browser)
        transaction.set_rollback(True)
    for form in forms_of(page, address) if b"<form" in page else ():
        if (form.method, form.action) in around:
            continue
        for name in form.fields:
            for value in FOR_FIELDS:
                send(browser, form.method, form.action, mutated(form, name, value))


def shell_of(browser: Client) -> set[tuple[str, str]]:
    """The forms that stand around every page; they are tried on the first one."""
    return {(form.method, form.action) for form in forms_of(browser.get("/").content, "/")}


def mutated(form: Form, name: str, value: bytes) -> dict[str, list[bytes]]:
    given = {each: [text.encode() for text in texts] for each, texts in form.fields.items()}
    return {**given, name: [value]}


@pytest.mark.parametrize("number", ["0", "99999999999999999999", "%00"])
def test_an_address_of_nothing_is_not_found(
    furnished: Furnished, browser: Client, number: str
) -> None:
    for pattern in EVERYTHING:
        for name in pattern.pattern.converters.keys() - {"token"}:
            address = furnished.address(pattern, **{name: number})
            for method in ("get", "post"):
                with transaction.atomic():
                    answer = getattr(browser, method)(address)
                    assert answer.status_code in (404, 405), f"{method} {address}"
                    transaction.set_rollback(True)
