"""The lab's directory, for tests that read a real one."""

from tests.lab.fixtures import authority, people, slapd

__all__ = ["authority", "people", "slapd"]
