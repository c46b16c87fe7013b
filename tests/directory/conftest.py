"""A real directory for each test, and how the console would reach it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.samba import DomainController
from lab.samba_entries import GROUPS, STAFF
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN
from lab.slapd_entries import GROUPS as SLAPD_GROUPS
from lab.slapd_entries import PEOPLE as SLAPD_PEOPLE
from provisioning.core.records import SourceRecord
from provisioning.directory.presets import DEFAULT_MAPPINGS
from tests.lab.fixtures import authority, people, samba, slapd

__all__ = ["authority", "people", "samba", "slapd"]

MakeSource = Callable[..., SourceRecord]


@pytest.fixture
def source(slapd: Slapd) -> MakeSource:
    """Makes the source of the test's slapd; keyword arguments replace parts of it."""
    preset = DEFAULT_MAPPINGS["openldap"]

    def make(**changes: object) -> SourceRecord:
        values: dict[str, object] = {
            "name": "Head office",
            "uris": (slapd.tls_uri,),
            "tls": "ldaps",
            "ca_pem": slapd.ca_file.read_text(),
            "bind_dn": BIND_DN,
            "bind_secret": slapd.bind_password,
            "person_bases": (SLAPD_PEOPLE,),
            "person_filter": preset.person_filter,
            "group_bases": (SLAPD_GROUPS,),
            "group_filter": preset.group_filter,
            "key_attribute": preset.key_attribute,
            # 60 people make seven pages.
            "page_size": 9,
            "connect_timeout": 5.0,
            "read_timeout": 30.0,
        }
        return SourceRecord(**{**values, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def ad_source(samba: DomainController) -> MakeSource:
    """Makes the source of the shared Samba AD; keyword arguments replace parts of it."""
    preset = DEFAULT_MAPPINGS["active_directory"]

    def make(**changes: object) -> SourceRecord:
        values: dict[str, object] = {
            "name": "Active Directory",
            "uris": (samba.tls_uri,),
            "tls": "ldaps",
            "ca_pem": samba.ca_file.read_text(),
            "bind_dn": samba.bind_name,
            "bind_secret": samba.bind_password,
            "person_bases": (STAFF,),
            "person_filter": preset.person_filter,
            "group_bases": (GROUPS,),
            "group_filter": preset.group_filter,
            "key_attribute": preset.key_attribute,
            "page_size": 25,
            "connect_timeout": 5.0,
            "read_timeout": 30.0,
        }
        return SourceRecord(**{**values, **changes})  # type: ignore[arg-type]

    return make
