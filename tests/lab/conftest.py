"""The shared counterparts, for the lab's own tests."""

from tests.lab.fixtures import authority, kamailio, people, postgresql, samba, slapd, store

__all__ = ["authority", "kamailio", "people", "postgresql", "samba", "slapd", "store"]
