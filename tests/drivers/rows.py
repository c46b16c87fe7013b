"""Rows and changes as the tests need them."""

from __future__ import annotations

from provisioning.core.sip import ha1
from provisioning.drivers.base import AliasRow, Kind, Row, RowChange, SipDomainRow, SubscriberRow

DOMAIN = "voice.example.com"
SECRET = "s3cret"
_KINDS = {SipDomainRow: Kind.SIP_DOMAIN, SubscriberRow: Kind.SUBSCRIBER, AliasRow: Kind.ALIAS}


def subscriber(user: str, secret: str | None = SECRET, domain: str = DOMAIN) -> SubscriberRow:
    """Credentials with the HA1 of `secret`, or without any."""
    return SubscriberRow(user, domain, None if secret is None else ha1(user, domain, secret))


def alias(number: str, user: str) -> AliasRow:
    return AliasRow(number, DOMAIN, user, DOMAIN)


def wanted(*rows: Row) -> list[RowChange]:
    """Changes that create or replace."""
    return [RowChange(_KINDS[type(row)], row.key, row) for row in rows]


def gone(*rows: Row) -> list[RowChange]:
    """Changes that delete."""
    return [RowChange(_KINDS[type(row)], row.key, None) for row in rows]
