"""The tables in which Kamailio keeps settings: htable, and usr_preferences for single accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy.types import NullType

from provisioning.drivers.base import Kind
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.setting_rows import PreferenceRow, SettingRow

_METADATA = MetaData()
_ID = "id"

HTABLE = Table(
    "htable",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    Column("key_name", String(64)),
    Column("key_value", String(128)),
)
USR_PREFERENCES = Table(
    "usr_preferences",
    _METADATA,
    Column(_ID, Integer, primary_key=True),
    # Wider than any address here; those of others are theirs.
    Column("username", String(64)),
    Column("domain", String(64)),
    Column("attribute", String(32)),
    Column("value", String(128)),
    Column("last_modified", NullType),
)

# As in Kamailio 5.6 to 6.1.
SETTINGS_VERSIONS: Mapping[str, int] = MappingProxyType({"htable": 2, "usr_preferences": 2})

SETTINGS_TABLES: Mapping[Kind, KindTable] = MappingProxyType(
    {
        Kind.SETTING: KindTable(
            HTABLE, ("key_name",), ("key_value",), unique=False, optional=("key_value",)
        ),
        Kind.PREFERENCE: KindTable(
            USR_PREFERENCES,
            ("attribute", "username", "domain"),
            ("value",),
            unique=False,
            optional=("value",),
        ),
    }
)


def settings_key(kind: Kind, key: str) -> tuple[str, ...]:
    """The key columns' values; empty when `key` is none of this kind."""
    if kind is Kind.SETTING:
        return (key,) if key else ()
    setting, _, aor = key.partition("/")
    user, _, domain = aor.rpartition("@")
    return (setting, user, domain) if setting and user and domain else ()


def settings_values(row: SettingRow | PreferenceRow) -> tuple[str, ...]:
    """The values of the columns that the console owns, in their order."""
    if isinstance(row, SettingRow):
        return row.key, row.value
    return row.setting, row.user, row.domain, row.value


def _setting(values: Sequence[Any]) -> SettingRow:
    key, value = values
    server, _, setting = key.rpartition(":")
    return SettingRow(setting, value, server)


# Makes the record of the owned columns' values.
SETTINGS_ROW_FROM: Mapping[Kind, Callable[[Sequence[Any]], SettingRow | PreferenceRow]] = (
    MappingProxyType(
        {Kind.SETTING: _setting, Kind.PREFERENCE: lambda values: PreferenceRow(*values)}
    )
)
