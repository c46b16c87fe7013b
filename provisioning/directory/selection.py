"""Filters (RFC 4515) that choose entries: by key, or by a value, a few hundred in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from ldap.filter import escape_filter_chars

# Servers limit how long a filter may be.
_CHUNK = 200
# Active Directory's key, of which a filter needs the bytes.
_BINARY = "objectguid"


def filters_of_keys(attribute: str, guids: Iterable[str]) -> list[str]:
    """Filters that together match the entries with these canonical keys, in their order."""
    return _any_of([f"({attribute}={_written(attribute, guid)})" for guid in guids])


def filters_of_values(attributes: Sequence[str], values: Iterable[str]) -> list[str]:
    """Filters that together match the entries with one of `values` in one of `attributes`."""
    escaped = [escape_filter_chars(value) for value in values]
    return _any_of([f"({name}={value})" for value in escaped for name in attributes])


def filters_of_sids(sids: Iterable[bytes]) -> list[str]:
    """Filters that together match the entries of Active Directory with one of these objectSids."""
    return _any_of([f"(objectSid={_bytes(sid)})" for sid in sorted(sids)])


def filters_of_primary_groups(sids: Iterable[bytes]) -> list[str]:
    """Filters that together match everybody whose primary group may be one of these objectSids.

    In other domains of a forest groups with other SIDs have the same number.
    """
    numbers = sorted({int.from_bytes(sid[-4:], "little") for sid in sids})
    return _any_of([f"(primaryGroupID={number})" for number in numbers])


def _any_of(comparisons: list[str]) -> list[str]:
    chunks = (comparisons[start : start + _CHUNK] for start in range(0, len(comparisons), _CHUNK))
    return [f"(|{''.join(chunk)})" for chunk in chunks]


def _written(attribute: str, guid: str) -> str:
    if attribute.lower() != _BINARY:
        return guid
    return _bytes(UUID(guid).bytes_le)


def _bytes(value: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in value)
