"""Rows and changes as the tests need them."""

from __future__ import annotations

from provisioning.core.calls import Category
from provisioning.core.sip import Algorithm, ha1
from provisioning.drivers.base import ROW_CLASSES, AliasRow, Kind, Row, RowChange, SubscriberRow
from provisioning.drivers.routing import (
    DialRuleRow,
    GatewayRow,
    RouteRow,
    Treatment,
    TrunkRow,
    TrustedHostRow,
)
from provisioning.drivers.setting_rows import PreferenceRow, SettingRow

DOMAIN = "voice.example.com"
SECRET = "s3cret"
_KINDS = {row_class: kind for kind, row_class in ROW_CLASSES.items()}
# Routing with everything that it can say.
ROUTING: tuple[Row, ...] = (
    TrustedHostRow(Treatment.AUTHENTICATED, "192.0.2.7/32", "Contact centre"),
    TrustedHostRow(Treatment.INBOUND, "198.51.100.0/24", "Carrier"),
    TrustedHostRow(Treatment.OUTBOUND, "2001:db8::/48", "Fax server"),
    GatewayRow(101, "Carrier", "sbc.carrier.example", 5061, "tls", strip=1, prefix="00", t38=True),
    GatewayRow(102, "Branch", "2001:db8::10", 5060, "udp"),
    TrunkRow(
        101,
        "acme",
        "carrier.example",
        "carrier",
        "acme-auth",
        "0123456789abcdef" * 2,
        "sip:sbc.carrier.example:5061;transport=tls",
        600,
    ),
    RouteRow("+", Category.INTERNATIONAL, (101, 102)),
    RouteRow("+44", Category.NATIONAL, (102,)),
    RouteRow("+4490", Category.PREMIUM, ()),
    RouteRow("112", Category.EMERGENCY, (102,), 7, "+442079460000"),
    DialRuleRow(7, 1, r"0([1-9]\d+)", r"+44\1"),
    DialRuleRow(7, 2, "9|99", "+442079460000"),
)
# Settings of everybody, of one server and of one account.
SETTINGS: tuple[Row, ...] = (
    SettingRow("max_expires", "600", "7"),
    SettingRow("federation_edge", ""),
    SettingRow("max_expires", "7200"),
    PreferenceRow("max_devices", "alice", DOMAIN, "2"),
    PreferenceRow("messaging", "alice", DOMAIN, "0"),
)


def subscriber(
    user: str, secret: str | None = SECRET, domain: str = DOMAIN, *, algorithm: Algorithm = "MD5"
) -> SubscriberRow:
    """Credentials with the HA1 of `secret`, or without any."""
    digest = None if secret is None else ha1(user, domain, secret, algorithm)
    return SubscriberRow(user, domain, digest)


def alias(number: str, user: str) -> AliasRow:
    return AliasRow(number, DOMAIN, user, DOMAIN)


def kind_of(row: Row) -> Kind:
    return _KINDS[type(row)]


def wanted(*rows: Row) -> list[RowChange]:
    """Changes that create or replace."""
    return [RowChange(kind_of(row), row.key, row) for row in rows]


def gone(*rows: Row) -> list[RowChange]:
    """Changes that delete."""
    return [RowChange(kind_of(row), row.key, None) for row in rows]
