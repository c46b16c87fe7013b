"""Bulk SQL that runs the same on SQLite and PostgreSQL."""

from __future__ import annotations

import gc
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone

from provisioning.core.sealing import TAG

# Rows of one INSERT on SQLite: more make it no faster.
_ROWS = 500


def insert_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert `rows` in one transaction, the fastest way of the database."""
    names = ", ".join(f'"{column}"' for column in columns)
    with transaction.atomic(), connection.cursor() as cursor, connection.wrap_database_errors:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            _insert_many(f"INSERT INTO {table} ({names}) VALUES", len(columns), list(rows))


def merge_rows(
    table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, key: Sequence[str],
    changed: Sequence[str],
) -> None:  # fmt: skip
    """Insert `rows` in one transaction; where one with the same `key` is there, change it instead.

    Of that the columns `changed` get the new values. No two of `rows` have the same key.
    """
    names = ", ".join(columns)
    new_values = ", ".join(f"{column} = excluded.{column}" for column in changed)
    otherwise = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {new_values}"
    with transaction.atomic(), connection.cursor() as cursor, connection.wrap_database_errors:
        if connection.vendor == "postgresql":
            empty = f"SELECT {names} FROM {table} LIMIT 0"  # noqa: S608
            cursor.execute(f"CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS {empty}")
            with cursor.copy(f"COPY incoming ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming {otherwise}"  # noqa: S608
            )
            cursor.execute("DROP TABLE incoming")
        else:
            insert = f"INSERT INTO {table} ({names}) VALUES"
            _insert_many(insert, len(columns), rows, otherwise)


def _insert_many(
    insert: str, width: int, rows: Sequence[Sequence[Any]], otherwise: str = ""
) -> None:
    """Insert with many rows to a statement, as SQLite does fastest, past Django's rewriting of it.

    Each statement is one step, during which other threads of this process go on.
    """
    lite: sqlite3.Connection = connection.connection
    most = min(_ROWS, lite.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // width)
    one = f"({', '.join('?' * width)})"
    for start in range(0, len(rows), most):
        part = rows[start : start + most]
        marks = ", ".join([one] * len(part))
        lite.execute(f"{insert} {marks} {otherwise}", list(chain.from_iterable(part)))


def upsert_rows(
    table: str, *, shared: Mapping[str, Any], key: str, value: str, values: Mapping[str, str]
) -> None:
    """Insert a row for each of `values`, or give it that value where its key is there already.

    `shared` are columns that are the same in all rows; with `key` they are unique. A key holds no
    line break.
    """
    if not values:
        return
    columns = ", ".join([*shared, key, value])
    marks = ", ".join(["%s"] * len(shared))
    conflict = f"ON CONFLICT ({', '.join([*shared, key])}) DO UPDATE SET {value} = excluded.{value}"
    if connection.vendor == "postgresql":
        lines = "string_to_array(%s, E'\\n')"
        execute(
            f"INSERT INTO {table} ({columns}) SELECT {marks}, each.key, each.value "  # noqa: S608
            f"FROM unnest({lines}, {lines}) AS each(key, value) {conflict}",
            [*shared.values(), "\n".join(values), "\n".join(values.values())],
        )
    else:
        same = tuple(shared.values())
        rows = [(*same, *each) for each in values.items()]
        with transaction.atomic(), connection.wrap_database_errors:
            insert = f"INSERT INTO {table} ({columns}) VALUES"
            _insert_many(insert, len(same) + 2, rows, conflict)


def execute(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
    """Run one statement; the number of rows that it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def insert_new(sql: str, parameters: Mapping[str, Any], *columns: str) -> Sequence[tuple[Any, ...]]:
    """Run an INSERT … SELECT; the `columns` of each row that was new.

    All of them nearly always are, and the database is asked for those that are not only when it
    refused: ON CONFLICT looks into every unique index before it writes to it.
    """
    try:
        with transaction.atomic():
            return fetch(f"{sql} RETURNING {', '.join(columns)}", parameters)
    except IntegrityError:
        also = f"ON CONFLICT DO NOTHING RETURNING {', '.join(columns)}"
        return fetch(f"{sql} {also}", parameters)


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


def digests(
    table: str, *, by: str, texts: Sequence[str], seals: Sequence[str] = (), order: str
) -> dict[int, str]:
    """A hash of each group of rows, by the expression `by`; rows where that is NULL are left out.

    Over the columns `texts` of all its rows, in `order`, and the tags of the sealed values in
    `seals`: no two values that were sealed have the same tag. Equal hashes mean equal values.
    """
    postgresql = connection.vendor == "postgresql"
    tag = f"right(encode({{}}, 'hex'), {2 * TAG})" if postgresql else f"hex(substr({{}}, -{TAG}))"
    values = [f"CAST({name} AS text)" for name in texts] + [tag.format(name) for name in seals]
    # Between values and for NULL stand characters that no value holds.
    separator, null = ("E'\\x1f'", "E'\\x1e'") if postgresql else ("char(31)", "char(30)")
    row = f" || {separator} || ".join(f"coalesce({value}, {null})" for value in values)
    if postgresql:
        rows = f"string_agg({row}, E'\\n' ORDER BY {order})"
        return dict(
            fetch(
                f"SELECT {by}, encode(sha256(convert_to({rows}, 'UTF8')), 'hex') FROM {table} "  # noqa: S608
                f"WHERE {by} IS NOT NULL GROUP BY 1"
            )
        )
    # Django gives SQLite the function SHA256; a subquery hands the rows on in its order.
    each = f"SELECT {by} AS place, {row} AS content FROM {table} WHERE {by} IS NOT NULL"  # noqa: S608
    return dict(
        fetch(
            f"SELECT place, SHA256(group_concat(content, char(10))) FROM ({each} ORDER BY {order}) "  # noqa: S608
            "GROUP BY place"
        )
    )


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


def days_later(days: str) -> str:
    """The moment so many days (an SQL expression) after the parameter `now`."""
    if connection.vendor == "postgresql":
        return f"CAST(%(now)s AS timestamptz) + CAST({days} AS integer) * interval '1 day'"
    return f"datetime(%(now)s, ({days}) || ' days')"


def commit_lazily() -> None:
    """Let PostgreSQL commit the current transaction in memory first.

    For what a crash of the database server may take, because it is made anew then. What commits
    later makes it durable as well.
    """
    if connection.vendor == "postgresql":
        execute("SET LOCAL synchronous_commit = off")


@contextmanager
def checkpointing_rarely() -> Iterator[None]:
    """Let SQLite copy its log into the database after 64 MB instead of 4, while much is written.

    A page of an index is written over and over again, and copied each time otherwise.
    """
    if connection.vendor != "sqlite":
        yield
        return
    (before,) = fetch("PRAGMA wal_autocheckpoint")[0]
    checkpoint_rarely()
    try:
        yield
    finally:
        execute(f"PRAGMA wal_autocheckpoint = {before:d}")


def checkpoint_rarely() -> None:
    """The same until this connection is closed."""
    if connection.vendor == "sqlite":
        execute("PRAGMA wal_autocheckpoint = 16000")


def wait_briefly() -> None:
    """In the current transaction, let PostgreSQL refuse what waits for a lock of somebody else."""
    if connection.vendor == "postgresql":
        execute("SET LOCAL lock_timeout = '3s'")


def postpone_indexing() -> None:
    """In the current transaction, let PostgreSQL add to its search indexes without sorting.

    Autovacuum sorts the additions in later, in one go; searches find them meanwhile.
    """
    if connection.vendor == "postgresql":
        execute("SET LOCAL gin_pending_list_limit = '1GB'")


def prefer_indexes() -> None:
    """In the current transaction, let PostgreSQL find the rows of a window one by one.

    It would read all of a table instead for each window: what was just written is not in its counts
    yet, and is in memory.
    """
    if connection.vendor == "postgresql":
        execute("SET LOCAL random_page_cost = 1")


def analyze(table: str) -> None:
    """Count a table that was just filled, so that PostgreSQL plans with what is in it now."""
    if connection.vendor == "postgresql":
        execute(f"ANALYZE {table}")


def one_of(column: str) -> str:
    """A condition with one parameter, `array` of the values: `column` is one of them."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)"
    return f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608


def array(values: Iterable[str]) -> Any:
    """Texts as the one parameter that `one_of` takes, however many they are."""
    return list(values) if connection.vendor == "postgresql" else json.dumps(list(values))


def among(texts: Iterable[str]) -> RawSQL:
    """`texts` for an `__in` filter as one parameter: thousands cost more than the query."""
    rows = {"postgresql": "SELECT unnest(%s::text[])", "sqlite": "SELECT value FROM json_each(%s)"}
    return RawSQL(rows[connection.vendor], [array(texts)])  # noqa: S611 - no input in it


def among_numbers(numbers: Sequence[int]) -> RawSQL:
    """The same for whole numbers."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [list(numbers)])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(numbers))])


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for reference cycles rarely: millions of short-lived values, which have none."""
    thresholds = gc.get_threshold()
    gc.set_threshold(500_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def moment(value: datetime | None = None) -> Any:
    """`value` (now by default) as the database stores it, for raw SQL."""
    return connection.ops.adapt_datetimefield_value(value or timezone.now())
