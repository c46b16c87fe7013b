"""An account on Asterisk: an endpoint with its auth and its AOR, as a record and back.

The id of an endpoint is its SIP URI, `user@domain`, which Asterisk looks for before the bare user
part. One without an @ was made by somebody else: it counts for the SIP domain that is the realm of
its auth.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from provisioning.core.sip import algorithm_of
from provisioning.drivers.base import SubscriberRow

# Asterisk's own default_realm, for rows that name none.
DEFAULT_REALM = "asterisk"
# An auth of this user name verifies nobody: no client can be asked for its password, and the
# digest beside it is random. An empty or mangled digest would be answered 500, or let in whoever
# has an empty password.
UNUSABLE = "!unusable-"
LIKE_UNUSABLE = f"{UNUSABLE}%"
_RANDOM_BYTES = 11

# What stands in a comma-separated list, a dialplan's argument or a SIP header without being quoted.
_SAFE = re.compile(r"[^\s,;^|&/\\$\"<>()\[\]{}@\x00-\x1f\x7f]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\"]")

COLUMNS = (
    "id", "user", "domain", "username", "realm", "password_digest", "algorithms", "password",
)  # fmt: skip
"""What a row is handed to the database as; only `password` may be empty."""
OPTIONAL = ("password",)


def key_parts(key: str) -> tuple[str, str] | None:
    """User part and SIP domain of a key; None where no row can have it."""
    user, _, domain = key.rpartition("@")
    return (user, domain) if _SAFE.fullmatch(user) and _SAFE.fullmatch(domain) else None


def values_of(rows: Sequence[SubscriberRow]) -> list[tuple[str, ...]]:
    """The values of COLUMNS for each row; who may not register gets what verifies nobody."""
    return [_values(row) for row in rows]


def defect(row: object) -> str:
    """Why a row cannot be written; says nothing of a digest's content, empty where it can be."""
    if not isinstance(row, SubscriberRow) or key_parts(row.key) is None:
        return "It is not an account whose SIP URI Asterisk can keep."
    for name, value in (("realm", row.realm), ("user name", row.auth_user)):
        if _CONTROL.search(value):
            return f"The {name} holds a control character or a quotation mark."
    if row.ha1 and algorithm_of(row.ha1) is None:
        return "The HA1 is not 32 or 64 lower-case hexadecimal digits."
    if row.ha1_sha256 and algorithm_of(row.ha1_sha256) != "SHA-256":
        return "The digest by SHA-256 is not 64 lower-case hexadecimal digits."
    if row.password and _CONTROL.search(row.password):
        return "The password holds a control character."
    return "" if row.ha1 or row.ha1 is None or row.password else "There is no digest."


def row_from(values: Sequence[Any]) -> SubscriberRow:
    """The record of key, username, realm, password_digest, md5_cred and password."""
    key, username, realm, digests, md5_cred, password = (value or "" for value in values)
    user, _, domain = key.rpartition("@")
    if username.startswith(UNUSABLE) or not (username or digests or md5_cred or password):
        return SubscriberRow(user, domain, None, realm=realm)
    found = dict(_digests(digests))
    md5, sha256 = found.get("MD5") or md5_cred, found.get("SHA-256")
    ha1, further = (md5, sha256) if md5 else (sha256 or "", None)
    return SubscriberRow(
        user, domain, ha1, None, password or None, further, username, realm or DEFAULT_REALM
    )


def _values(row: SubscriberRow) -> tuple[str, ...]:
    realm = row.realm or row.domain
    if row.ha1 is None:
        username, digests = f"{UNUSABLE}{secrets.token_hex(_RANDOM_BYTES)}", _nobody()
    else:
        username, digests = row.auth_user or row.user, _wanted(row)
    told = ",".join(f"{name}:{digest}" for name, digest in digests.items())
    offered = ",".join(digests)
    return row.key, row.user, row.domain, username, realm, told, offered, row.password or ""


def _wanted(row: SubscriberRow) -> dict[str, str]:
    """Digests by algorithm, in the order of preference (RFC 8760, section 2.4)."""
    digests = {"SHA-256": row.ha1_sha256} if row.ha1_sha256 else {}
    if row.ha1:
        digests[algorithm_of(row.ha1) or ""] = row.ha1
    return digests


def _nobody() -> dict[str, str]:
    return {"MD5": secrets.token_hex(16)}


def _digests(told: str) -> Iterator[tuple[str, str]]:
    for part in told.split(","):
        name, _, digest = part.strip().partition(":")
        yield name.strip().upper(), digest.strip()
