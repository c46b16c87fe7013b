"""Whatever is sent to whichever address: never an error of the console itself."""

from __future__ import annotations

import socket
from collections.abc import Collection
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
# Addresses by how they begin: what belongs together shares one furnished console.
PLACES: dict[str, list[URLPattern]] = {}
for _pattern in EVERYTHING:
    PLACES.setdefault(str(_pattern.pattern).partition("/")[0], []).append(_pattern)
HOSTILE = (
    b"a\x00b",
    b"x" * 10_000,
    b"9" * 5_000,
    b"99999999999999999999",
    "\u0663\u2028\r\n\u202e".encode(),  # a digit, but not an ASCII one, and breaks of lines
    b"\xed\xa0\x80%_\\'\")(*&|;--[{\xff",  # a lone surrogate, signs of every language
)
# What a field meets on its own, beside others that hold, by its kind; a text may be read as a
# number.
ALONE = {"number": HOSTILE[3], "hidden": HOSTILE[0], "select": HOSTILE[0], "submit": HOSTILE[0]}
LONG = HOSTILE[2]
# A probe of the machine's own parts answers 503 when one of them fails.
HEALTH = 503
REFUSED = 400

Fields = dict[str, list[bytes]]


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


def send(client: Client, method: str, address: str, fields: Fields) -> int:
    """Sends and undoes it, and gives the status; an error of the console is one of the test."""
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
    return int(answer.status_code)


def in_turn(names: Collection[str], turn: int) -> Fields:
    """A hostile value for each name; over all turns every name has had every value."""
    return {
        name: [HOSTILE[(place + turn) % len(HOSTILE)]] for place, name in enumerate(sorted(names))
    }


def turns(names: Collection[str]) -> range:
    """One is enough where a view looks at nothing of what it is sent."""
    return range(len(HOSTILE) if names else 1)


def query(client: Client, address: str, fields: Fields) -> None:
    """Sends them at once; where that is refused, in halves, so that none hides behind another."""
    if send(client, "get", address, fields) >= REFUSED and len(fields) > 1:
        names = list(fields)
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            query(client, address, {name: fields[name] for name in half})


@pytest.mark.parametrize("place", PLACES)
def test_no_query_breaks_a_page(
    furnished: Furnished, browser: Client, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pattern in PLACES[place]:
        address = furnished.address(pattern)
        names = names_asked_for(monkeypatch, browser, address, "get")
        for turn in turns(names):
            query(browser, address, in_turn(names | {"unknown"}, turn))


@pytest.mark.parametrize("place", PLACES)
def test_no_post_breaks_an_action(
    furnished: Furnished, browser: Client, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pattern in PLACES[place]:
        address = furnished.address(pattern)
        with transaction.atomic():
            names = names_asked_for(monkeypatch, browser, address, "post")
            transaction.set_rollback(True)
        for turn in turns(names):
            send(browser, "post", address, in_turn(names, turn))


@pytest.mark.parametrize("place", PLACES)
def test_no_field_breaks_a_form(furnished: Furnished, browser: Client, place: str) -> None:
    """Each in turn, beside others that hold, so that it comes as far as it can."""
    tried = set() if place == "" else shell_of(browser)
    for pattern in PLACES[place]:
        address = furnished.address(pattern)
        with transaction.atomic():
            page = body_of(browser.get(address))
            transaction.set_rollback(True)
        for form in forms_of(page, address) if b"<form" in page else ():
            if identity(form) in tried:
                continue
            tried.add(identity(form))
            for name in form.fields:
                value = ALONE.get(form.kinds.get(name, ""), LONG)
                send(browser, form.method, form.action, mutated(form, name, value))


def identity(form: Form) -> tuple[str, str, frozenset[str]]:
    return form.method, form.action, frozenset(form.fields)


def shell_of(browser: Client) -> set[tuple[str, str, frozenset[str]]]:
    """The forms that stand around every page; they are tried on the first one."""
    return {identity(form) for form in forms_of(browser.get("/").content, "/")}


def mutated(form: Form, name: str, value: bytes) -> Fields:
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
                    # Machines need a token before they hear what there is.
                    machines = address.startswith(("/scim/", "/served/"))
                    refusals = {401, 405, 429} if machines else {405}
                    assert answer.status_code in refusals | {404}, f"{method} {address}"
                    transaction.set_rollback(True)
