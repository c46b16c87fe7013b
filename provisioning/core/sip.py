"""SIP addresses and digest credentials (RFC 3261 section 19.1, 22.4; RFC 8760)."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from provisioning.core.errors import InvalidInput

Algorithm = Literal["MD5", "SHA-256"]

# The part of RFC 3261's `user` that servers, clients and database columns all take unescaped.
_USER_PART = re.compile(r"[a-z0-9+*][a-z0-9._+*~'-]{0,63}", re.ASCII)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,64}}\Z){_LABEL}(\.{_LABEL})*", re.ASCII)
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def check_user_part(value: str) -> str:
    """`value` in lower case; raises InvalidInput when it cannot stand before the `@` of a SIP URI.

    At most 64 ASCII characters: the width of Kamailio's and Asterisk's columns.
    """
    user = value.strip().lower()
    if not _USER_PART.fullmatch(user):
        shown = value if len(value) <= 80 else value[:79] + "…"
        raise InvalidInput(
            f"“{shown}” cannot be the user part of a SIP URI: use 1 to 64 of the letters a to z, "
            "digits, “.”, “_”, “-”, “+”, “*”, “~” and “'”, and start with a letter, digit, “+” or "
            "“*”."
        )
    return user


def check_domain(value: str) -> str:
    """`value` as a SIP domain in lower case (1 to 64 characters); raises InvalidInput otherwise."""
    domain = value.strip().lower().rstrip(".")
    if not _HOST.fullmatch(domain):
        raise InvalidInput(f"“{value[:80]}” is not a domain name such as voice.example.com.")
    return domain


def ha1(auth_user: str, realm: str, secret: str, algorithm: Algorithm = "MD5") -> str:
    """H(user:realm:secret) in lower-case hex: 32 (MD5) or 64 (SHA-256) characters (RFC 8760)."""
    return _HASHES[algorithm](f"{auth_user}:{realm}:{secret}".encode()).hexdigest()
