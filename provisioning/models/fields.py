"""Sealing of model secrets with the console's keys."""

from __future__ import annotations

import functools
import hashlib

from django.conf import settings

from provisioning.core.sealing import Keyring


@functools.cache
def _keyring(keys: str) -> Keyring:
    ring: dict[bytes, bytes] = {}
    for text in keys.split(","):
        key = bytes.fromhex(text.strip())
        ring[hashlib.sha256(b"rtcadmin key id" + key).digest()[:4]] = key
    return Keyring(ring)


def keyring() -> Keyring:
    """The console's keys (settings SEALING_KEYS: hex, 32 bytes each, the sealing one first)."""
    return _keyring(settings.SEALING_KEYS)
