"""A number on Asterisk: an extension of the SIP domain's context that leads to the account's.

The context is named after the SIP domain, so `Goto(voice.example.com,amy,1)` at `+4930…` says that
this number is this account, and the server's own dialplan decides how an account rings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, and_, not_

from provisioning.drivers.asterisk.accounts import key_parts
from provisioning.drivers.base import AliasRow, Kind, Row
from provisioning.drivers.database.checked_kind import CheckedKind
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.stored_kind import Values

EXTENSIONS = Table(
    "extensions",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("context", String(40)),
    Column("exten", String(40)),
    Column("priority", Integer),
    Column("app", String(40)),
    Column("appdata", String(256)),
)
# A number is one step of the dialplan; what follows it is somebody else's.
FIRST = "1"
_GOTO = "Goto"
# What administrators write themselves to ring one account.
_DIAL = re.compile(r"PJSIP/([^,&/]+)")


def _values(row: AliasRow, _nobody: str) -> Values:
    return row.alias_user, row.alias_domain, FIRST, _GOTO, f"{row.domain},{row.user},1"


def _key(key: str) -> Values:
    parts = key_parts(key)
    return (*parts, FIRST) if parts else ()


def _defect(row: Row) -> str:
    if isinstance(row, AliasRow):
        keys = (row.key, f"{row.user}@{row.domain}")
        if all(map(key_parts, keys)) and not row.alias_user.startswith("_"):
            return ""
    return "It is not a number that a dialplan can hold."


def _row_from(values: Sequence[Any]) -> AliasRow:
    """The record of an extension; where it leads to no account, `user` says what it does."""
    exten, context, _, app, appdata = values
    if app.lower() == _GOTO.lower():
        match appdata.split(","):
            case [domain, user, "1"]:
                return AliasRow(exten, context, user.strip(), domain.strip())
    if app.lower() == "dial" and (rung := _DIAL.match(appdata)):
        user, at, domain = rung[1].rpartition("@")
        return AliasRow(exten, context, *((user, domain) if at else (rung[1], context)))
    return AliasRow(exten, context, f"{app}({appdata})", "")


NUMBERS = CheckedKind(
    Kind.ALIAS,
    AliasRow,
    KindTable(
        EXTENSIONS,
        ("exten", "context", "priority"),
        ("app", "appdata"),
        unique=True,
        # Patterns of the dialplan are no numbers.
        within=and_(
            EXTENSIONS.c.priority == 1, not_(EXTENSIONS.c.exten.startswith("_", autoescape=True))
        ),
    ),
    key=_key,
    values=_values,
    row=_row_from,
    defect=_defect,
)
