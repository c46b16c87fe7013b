"""SIP addresses and digest credentials (RFC 3261 section 19.1, 22.4; RFC 8760)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Literal, Self, cast

from provisioning.core.errors import InvalidInput

Algorithm = Literal["MD5", "SHA-256", "SHA-512-256"]
# What servers verify: one algorithm, or the one of both that the client chooses.
Digests = Literal["MD5", "SHA-256", "SHA-512-256", "MD5+SHA-256"]

# The part of RFC 3261's `user` that servers, clients and database columns all take unescaped.
_USER_PART = re.compile(r"[a-z0-9+*][a-z0-9._+*~'-]{0,63}", re.ASCII)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,64}}\Z){_LABEL}(\.{_LABEL})*", re.ASCII)
_HA1 = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}", re.ASCII)
_HASHES: Mapping[Algorithm, Callable[[bytes], hashlib._Hash]] = {
    "MD5": hashlib.md5,
    "SHA-256": hashlib.sha256,
    "SHA-512-256": partial(hashlib.new, "sha512_256"),
}
# How many hexadecimal digits an HA1 has.
_DIGITS: Mapping[Algorithm, int] = {"MD5": 32, "SHA-256": 64, "SHA-512-256": 64}


@dataclass(frozen=True, slots=True)
class ImportedDigest:
    """What a SIP server verified an account by before it was taken over; its clear text is unknown.

    `ha1` is H(user:realm:secret); `ha1b` is H(user@domain:realm:secret) and `sha256`, beside an
    `ha1` of MD5, the same by SHA-256: empty where the server had none.
    """

    user: str
    realm: str
    algorithm: Algorithm
    ha1: str = field(repr=False)
    ha1b: str = field(default="", repr=False)
    sha256: str = field(default="", repr=False)

    def fits(self, *, user: str, realm: str, algorithm: str) -> bool:
        """Whether a server that asks for these verifies by it."""
        return (self.user, self.realm, self.algorithm) == (user, realm, algorithm)

    def as_text(self) -> str:
        """All of it as one text, to be sealed."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `as_text` made a text of."""
        return cls(**json.loads(text))


def main_algorithm(digests: str) -> Algorithm:
    """The algorithm of the digest that every account has; MD5 where there are two."""
    return "MD5" if digests == "MD5+SHA-256" else cast("Algorithm", digests)


def algorithm_of(digest: str, wanted: Algorithm = "MD5") -> Algorithm | None:
    """The algorithm that a stored HA1 was made with; None where it is no HA1.

    Its length tells, save that SHA-256 and SHA-512-256 have the same: then it is `wanted`.
    """
    if not _HA1.fullmatch(digest):
        return None
    if len(digest) == _DIGITS[wanted]:
        return wanted
    return "MD5" if len(digest) == _DIGITS["MD5"] else "SHA-256"


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
        hint = "" if domain.isascii() else " Write it as DNS does, with xn-- before such a part."
        raise InvalidInput(f"“{value[:80]}” is not a domain name such as voice.example.com.{hint}")
    return domain


def ha1(auth_user: str, realm: str, secret: str, algorithm: Algorithm = "MD5") -> str:
    """H(user:realm:secret) in lower-case hex: 32 (MD5) or 64 (SHA-256) characters (RFC 8760)."""
    return _HASHES[algorithm](f"{auth_user}:{realm}:{secret}".encode()).hexdigest()
