"""Answers to digest challenges (RFC 7616, RFC 8760): MD5, SHA-256 and SHA-512-256, qop auth."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from provisioning.core.errors import Rejected

_HASHES: Mapping[str, Callable[[bytes], Any]] = MappingProxyType(
    {
        "MD5": hashlib.md5,
        "SHA-256": hashlib.sha256,
        "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
    }
)
_FIELD = re.compile(r'([\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Login:
    """Who signs in: an address-of-record, and what proves it."""

    user: str
    domain: str
    auth_user: str
    password: str = field(repr=False)

    @property
    def uri(self) -> str:
        """The address-of-record as a SIP URI."""
        return f"sip:{self.user}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks for."""

    algorithm: str
    realm: str
    nonce: str
    opaque: str | None
    qop: bool
    stale: bool


def choose(values: Sequence[str]) -> Challenge:
    """The first challenge that can be answered: servers name the one they prefer first.

    Raises Rejected where there is none.
    """
    read = [_read(value) for value in values if value.lower().startswith("digest ")]
    for challenge in read:
        if challenge is not None and challenge.algorithm in _HASHES:
            return challenge
    raise Rejected("The server asks for credentials in no way that is known here.")


def answer(challenge: Challenge, *, method: str, uri: str, login: Login) -> str:
    """The value of an Authorization header; nothing of it leads back to the password."""
    make = _HASHES[challenge.algorithm]

    def hashed(*parts: str) -> str:
        return str(make(":".join(parts).encode()).hexdigest())

    ha1 = hashed(login.auth_user, challenge.realm, login.password)
    ha2 = hashed(method, uri)
    quoted = {"username": login.auth_user, "realm": challenge.realm, "nonce": challenge.nonce,
              "uri": uri}  # fmt: skip
    plain = {"algorithm": challenge.algorithm}
    if challenge.qop:
        quoted["cnonce"] = secrets.token_hex(8)
        plain |= {"qop": "auth", "nc": "00000001"}
        middle = (challenge.nonce, plain["nc"], quoted["cnonce"], "auth")
        quoted["response"] = hashed(ha1, *middle, ha2)
    else:
        quoted["response"] = hashed(ha1, challenge.nonce, ha2)
    if challenge.opaque is not None:
        quoted["opaque"] = challenge.opaque
    parts = [f'{name}="{_escaped(value)}"' for name, value in quoted.items()]
    return "Digest " + ", ".join([*parts, *(f"{name}={value}" for name, value in plain.items())])


def _read(value: str) -> Challenge | None:
    found = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain
        for name, quoted, plain in _FIELD.findall(value[len("digest ") :])
    }
    offered = found.get("qop")
    ways = [] if offered is None else [way.strip().lower() for way in offered.split(",")]
    if "nonce" not in found or (ways and "auth" not in ways):
        return None
    return Challenge(
        algorithm=found.get("algorithm", "MD5").upper(),
        realm=found.get("realm", ""),
        nonce=found["nonce"],
        opaque=found.get("opaque"),
        qop=bool(ways),
        stale=found.get("stale", "").lower() == "true",
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
