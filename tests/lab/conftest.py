"""The shared counterparts, for the lab's own tests."""

from tests.lab.fixtures import (
    asterisk,
    authority,
    kamailio,
    people,
    postgresql,
    samba,
    slapd,
    store,
)

__all__ = [
    "asterisk", "authority", "kamailio", "people", "postgresql", "samba", "slapd", "store",
]  # fmt: skip
