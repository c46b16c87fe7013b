"""Bulk SQL that runs the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone


def insert_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert `rows` in one transaction, the fastest way of the database: COPY or executemany."""
    names = ", ".join(f'"{column}"' for column in columns)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns))
            insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
            cursor.executemany(insert, list(rows))


def execute(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
    """Run one statement; the number of rows that it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def execute_many(sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run one statement for each of `rows` in one transaction; nothing for no rows."""
    if rows:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(sql, rows)


def fetch(
    sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> Sequence[tuple[Any, ...]]:
    """Rows of one query, all at once: for what is known to be small."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows


def elements(column: str, key: str, alias: str) -> str:
    """A FROM item: each element of the JSON list `column` → `key`, as JSON in `alias`.value."""
    if connection.vendor == "postgresql":
        return f"jsonb_array_elements({column} -> '{key}') AS {alias}(value)"
    return f"json_each({column}, '$.{key}') AS {alias}"


def texts(column: str, key: str, alias: str) -> str:
    """A FROM item: each element of the JSON list of texts `column` → `key`, in `alias`.value."""
    if connection.vendor == "postgresql":
        return f"jsonb_array_elements_text({column} -> '{key}') AS {alias}(value)"
    return f"json_each({column}, '$.{key}') AS {alias}"


def analyze(table: str) -> None:
    """Count a table that was just filled, so that PostgreSQL plans with what is in it now."""
    if connection.vendor == "postgresql":
        execute(f"ANALYZE {table}")


def moment(value: datetime | None = None) -> Any:
    """`value` (now by default) as the database stores it, for raw SQL."""
    return connection.ops.adapt_datetimefield_value(value or timezone.now())
