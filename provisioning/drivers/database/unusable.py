"""What stands in a credential column that must verify nobody.

Kamailio takes the first 32 (MD5) or 64 (SHA-256) bytes of a credential column for the HA1, whatever
they are: a hash behind a `!` still lets its owner in, a known placeholder lets everybody in, and
behind a short one lies memory of earlier requests. An empty `password` lets everybody in where a
server is set to calculate the HA1 from it. Only a random value of full length verifies nobody.
OpenSIPS refuses a value of another length than the digest's with an internal error: there it is cut
to that length.
"""

from __future__ import annotations

import secrets

_PREFIX = "!unusable-"
LONGEST = 64  # the width of `password`, and of the longest HA1
_RANDOM_BYTES = (LONGEST - len(_PREFIX)) // 2


def like_unusable(length: int) -> str:
    """Matches what `unusable` made and was cut to `length`, as an SQL LIKE pattern."""
    return _PREFIX + "_" * (length - len(_PREFIX))


def unusable(count: int) -> list[str]:
    """New values of 64 characters; 88 random bits of each lie within its first 32."""
    digits = 2 * _RANDOM_BYTES
    random = secrets.token_hex(count * _RANDOM_BYTES)
    return [_PREFIX + random[at : at + digits] for at in range(0, count * digits, digits)]


def is_unusable(value: str, length: int = LONGEST) -> bool:
    """Whether `value` came from `unusable` and was cut to `length`."""
    return len(value) == length and value.startswith(_PREFIX)
