"""Presence as clients published it: rows of table `presentity`, with PIDF documents in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from typing import Any

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table

from provisioning.core.records import Presence
from provisioning.core.text import clean_line

PRESENTITY = Table(
    "presentity",
    MetaData(),
    Column("username", String(64)),
    Column("domain", String(64)),
    Column("event", String(64)),
    Column("expires", Integer),
    Column("body", LargeBinary),
)
PRESENTITY_COLUMNS = ("username", "domain", "expires", "body")

# Clients write these documents, so they are searched, not parsed: no entity is ever resolved.
_LONGEST = 20_000
_BASIC = re.compile(r"<(?:\w+:)?basic>\s*(open|closed)\s*<", re.IGNORECASE)
_ACTIVITY = re.compile(r"<(?:\w+:)?activities[^>]{0,200}>\s*<(?:\w+:)?([a-z-]{1,40})")
_NOTE = re.compile(r"<(?:\w+:)?note[^>]{0,200}>([^<]{1,200})<")


def published(rows: Iterable[tuple[Any, ...]], now: float) -> list[Presence]:
    """What the rows say that still holds; documents that say neither open nor closed are left."""
    found = (_presence(*row) for row in rows if not row[2] or row[2] > now)
    return [each for each in found if each is not None]


def _presence(user: str, domain: str, expires: int, body: bytes | str) -> Presence | None:
    text = body if isinstance(body, str) else bytes(body).decode("utf-8", "replace")
    text = text[:_LONGEST]
    basic = _BASIC.search(text)
    if basic is None:
        return None
    activity, note = _ACTIVITY.search(text), _NOTE.search(text)
    return Presence(
        aor=f"{user}@{domain}",
        open=basic[1].lower() == "open",
        activity=activity[1].replace("-", " ") if activity else "",
        note=clean_line(unescape(note[1])) if note else "",
        until=expires or 0,
    )
