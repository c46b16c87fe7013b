"""Sources that lead to the lab's directories."""

from __future__ import annotations

from typing import Any

from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, GROUPS, PEOPLE
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import DirectorySource
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory.sources import save_source


def slapd_source(slapd: Slapd, **values: Any) -> DirectorySource:
    """A source of `slapd` that was not saved; keyword arguments replace columns."""
    preset = DEFAULT_MAPPINGS["openldap"]
    columns: dict[str, Any] = {
        "name": "Head office",
        "kind": "openldap",
        "uris": slapd.tls_uri,
        "tls": "ldaps",
        "ca_pem": slapd.ca_file.read_text(),
        "bind_dn": BIND_DN,
        "person_bases": PEOPLE,
        "person_filter": preset.person_filter,
        "group_bases": GROUPS,
        "group_filter": preset.group_filter,
        "key_attribute": preset.key_attribute,
        "mapping": dict(preset.fields),
        "disabled_expression": preset.disabled,
        **values,
    }
    return DirectorySource(**columns)


def saved_source(slapd: Slapd, **values: Any) -> DirectorySource:
    """The same, saved with the password that works."""
    source = slapd_source(slapd, **values)
    save_source(source=source, actor=COMMAND_LINE, secret=slapd.bind_password)
    return source


def source_form(source: DirectorySource, **values: str) -> dict[str, str]:
    """What a browser sends for `source`, without a password; keyword arguments replace fields."""
    names = (
        "name", "kind", "uris", "tls", "ca_pem", "bind_method", "bind_dn", "person_bases",
        "person_filter", "group_bases", "group_filter", "key_attribute", "disabled_expression",
        "page_size", "interval_seconds", "grace_days", "limit_percent", "limit_ceiling",
        "limit_membership_percent",
    )  # fmt: skip
    sent = {name: str(getattr(source, name)) for name in names}
    sent |= {f"mapping-{field}": text for field, text in source.mapping.items()}
    return {**sent, "enabled": "on", "secret": "", **values}
