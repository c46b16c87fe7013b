"""Presence: what clients published and what holds still; "not available" without the table."""

from __future__ import annotations

import time

from provisioning.core.records import Presence
from provisioning.drivers.kamailio.presence import published
from provisioning.drivers.kamailio.store import KamailioStore
from tests.drivers.conftest import Backend

PIDF = (
    '<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" '
    'xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"><tuple id="t"><status><basic>{}</basic>'
    "</status></tuple><rpid:activities><rpid:on-the-phone/></rpid:activities>"
    "<note>Back at 3 &amp; a bit</note></presence>"
)


def test_without_the_table_presence_is_not_available(store: KamailioStore) -> None:
    assert store.presence(["ann@voice.example.com"]) is None


def test_what_was_published_is_read_until_it_ends(backend: Backend, store: KamailioStore) -> None:
    backend.lab.execute(backend.lab.release.schema(backend.lab.dialect, ["presence"]))
    backend.lab.let_console_read("presentity")
    soon, past = int(time.time()) + 600, int(time.time()) - 1
    for user, expires, status in (("ann", soon, "open"), ("bob", past, "open"), ("cy", soon, "x")):
        backend.insert(
            "presentity",
            {"username": user, "domain": "voice.example.com", "event": "presence", "etag": user,
             "expires": str(expires), "received_time": "0", "body": PIDF.format(status),
             "sender": "", "ruid": user},
        )  # fmt: skip
    found = store.presence([f"{user}@voice.example.com" for user in ("ann", "bob", "cy", "no")])
    expected = Presence("ann@voice.example.com", True, "on the phone", "Back at 3 & a bit", soon)
    assert found == [expected]


def test_a_hostile_document_is_only_text() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><basic>closed</basic><note>&a;\n\x1b[31m</note>'
    (found,) = published([("ann", "x.example", 0, bomb.encode())], 0.0)
    assert (found.open, found.note) == (False, "&a; [31m")
    assert published([("ann", "x.example", 0, b"<basic>" + b"<" * 50_000)], 0.0) == []
