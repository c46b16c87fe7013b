"""What stands in a table, as one hash for each part of it: equal hashes mean equal rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ClauseElement, ColumnElement, Text, cast, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from provisioning.drivers.base import ENDING
from provisioning.drivers.database.kind_table import KindTable

# Between values, between rows, and for NULL: no value that the console writes holds them.
_VALUE, _ROW, _NULL = "\x1f", "\n", "\x1e"
# Of the 64 digits of SHA-256, as MySQL and MariaDB add them up: 60 bits at a time.
_PIECES = (1, 16, 31, 46)
_DIGITS = 15


def digests(target: KindTable, dialect: str) -> ClauseElement:
    """The endings of the first key column, and SHA-256 over the owned columns of all their rows.

    Whoever else's rows they are. The database hashes, so that no row is sent. The ending comes as
    text, or on MySQL and MariaDB as bytes.
    """
    if dialect == "mysql":
        return _sums(target)
    table = target.table
    owner = table.c[target.key[0]]
    values = [func.coalesce(cast(table.c[name], Text), _NULL) for name in target.owned]
    row: ColumnElement[Any] = values[0]
    for value in values[1:]:
        row = row + _VALUE + value
    if dialect == "postgresql":
        # By bytes: to sort by the rules of a language takes three times as long.
        ending: ColumnElement[Any] = func.right(owner, ENDING).collate("C")
        rows = func.string_agg(row, aggregate_order_by(literal_column("E'\\n'"), table.c.id))
        digest = func.encode(func.sha256(func.convert_to(rows, "UTF8")), "hex")
        return select(ending, digest).group_by(literal_column("1"))
    # SQLite has no hash: the connection brings a function of this name.
    each = (
        select(func.substr(owner, -ENDING).label("ending"), row.label("content"))
        .order_by(table.c.id)
        .subquery("each")
    )
    digest = func.sha256(func.group_concat(each.c.content, _ROW))
    return select(each.c.ending, digest).group_by(each.c.ending)


def _sums(target: KindTable) -> ClauseElement:
    """The sums of the rows' own hashes: how long GROUP_CONCAT's answer may be is a server's affair.

    Bytes of one character set decide, whatever the collation takes for the same.
    """
    texts = [f"CONVERT({name} USING utf8mb4)" for name in target.owned]
    values = ", ".join(f"COALESCE({each}, CHAR({ord(_NULL)}))" for each in texts)
    sums = ", ".join(
        f"SUM(CAST(CONV(SUBSTR(digest, {piece}, {_DIGITS}), 16, 10) AS UNSIGNED))"
        for piece in _PIECES
    )
    each = (
        f"SELECT CAST(RIGHT({texts[0]}, {ENDING}) AS BINARY) AS ending, "  # noqa: S608
        f"SHA2(CONCAT_WS(CHAR({ord(_VALUE)}), {values}), 256) AS digest FROM {target.table.name}"
    )
    return text(
        f"SELECT ending, CONCAT_WS(' ', {sums}) FROM ({each}) AS hashed GROUP BY ending"  # noqa: S608
    )
