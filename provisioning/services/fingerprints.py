"""Keyed hashes of rows at SIP servers: they tell whether a row changed and reveal nothing of it."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from dataclasses import astuple

from django.conf import settings

from provisioning.drivers.base import Row


@functools.cache
def _key(secret_key: str) -> bytes:
    return hmac.digest(secret_key.encode(), b"rtcadmin row fingerprint", hashlib.sha256)


def fingerprint(row: Row) -> str:
    """32 hex characters that change with any field of `row`, its HA1 among them."""
    content = json.dumps([type(row).__name__, *astuple(row)], separators=(",", ":"))
    return hmac.digest(_key(settings.SECRET_KEY), content.encode(), hashlib.sha256).hex()[:32]
