"""The set-based statements of one kind: read, delete and merge what stands in `incoming`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Delete,
    FromClause,
    Null,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    not_,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.unusable import LIKE_UNUSABLE

Values = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Incoming:
    """Rows handed to a statement as parameters, which become a table of `columns` and `n`.

    `n` counts from 0. On PostgreSQL each column is one text with a line per row, on SQLite all is
    one JSON array of arrays. No value holds a line break; only those of `optional` may be empty.
    """

    dialect: str
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def source(self) -> FromClause:
        if self.dialect == "postgresql":
            texts = (bindparam(name, type_=Text) for name in self._names)
            lines = (func.string_to_array(text, literal_column("E'\\n'")) for text in texts)
            each = func.unnest(*lines).table_valued(*self.columns, with_ordinality="n")
            each = each.render_derived(name="each")
            fields: list[ColumnElement[Any]] = [
                # One row of nothing is no line at all.
                func.coalesce(each.c[name], "") if name in self.optional else each.c[name]
                for name in self.columns
            ]
            number = each.c.n - 1
        else:
            each = func.json_each(bindparam("rows", type_=Text)).table_valued(
                "key", "value", name="each"
            )
            fields = [
                func.json_extract(each.c.value, f"$[{place}]") for place in range(len(self.columns))
            ]
            number = each.c.key
        labelled = (field.label(name) for field, name in zip(fields, self.columns, strict=True))
        return select(*labelled, number.label("n")).select_from(each).subquery("incoming")

    def parameters(self, rows: Values) -> dict[str, str]:
        if self.dialect == "sqlite":
            return {"rows": json.dumps(rows, check_circular=False)}
        return dict(zip(self._names, map("\n".join, zip(*rows, strict=True)), strict=True))

    @property
    def _names(self) -> list[str]:
        return [f"rows_{name}" for name in self.columns]


def join_keys(
    statement: Select[Any], table: Table, key: tuple[str, ...], source: FromClause
) -> Select[Any]:
    """Narrows `statement` to the rows of `table` whose key stands in `source`."""
    return statement.join_from(table, source, and_(*(table.c[k] == source.c[k] for k in key)))


def differing(target: KindTable, source: FromClause) -> Select[Any]:
    """`n` of the rows of `source` that `merge` would write, and what stands there: NULL if nothing.

    A row that stands there twice, once otherwise, is among them too. Credentials that are not in
    `source` shall verify nobody.
    """
    table = target.table
    statement = select(source.c.n, *(table.c[name] for name in target.owned))
    wanted = {column.name: column for column in source.c}
    different = [_differs(target, name, wanted.get(name, null())) for name in target.values]
    return statement.select_from(source.outerjoin(table, _same_key(target, table, source))).where(
        or_(table.c.id.is_(None), *different)
    )


def delete_keys(target: KindTable, source: FromClause) -> Delete:
    """Deletes the rows whose key stands in `source`, and no other."""
    return delete(target.table).where(_key_stands_in(target, source))


def merge(target: KindTable, source: FromClause, dialect: str) -> list[ClauseElement]:
    """Creates or changes the rows of `source`; a row that is as it should be is not written."""
    return [_upsert(target, source, dialect)] if target.unique else _replace(target, source)


def _upsert(target: KindTable, source: FromClause, dialect: str) -> ClauseElement:
    dialect_insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = dialect_insert(target.table).from_select(*_new_rows(target, source))
    if not target.values:
        return statement.on_conflict_do_nothing(index_elements=target.key)
    proposed = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=target.key,
        set_={name: proposed[name] for name in target.values},
        where=or_(*(_differs(target, name, proposed[name]) for name in target.values)),
    )


def _replace(target: KindTable, source: FromClause) -> list[ClauseElement]:
    """A merge that needs no unique index; of rows that share a key the eldest stays."""
    table = target.table
    elder = table.alias("elder")
    twins = delete(table).where(
        _key_stands_in(target, source),
        exists().where(_same_key(target, elder, table), elder.c.id < table.c.id),
    )
    changed = (
        update(table)
        .values({name: source.c[name] for name in target.values})
        .where(
            _same_key(target, table, source),
            or_(*(_differs(target, name, source.c[name]) for name in target.values)),
        )
    )
    names, rows = _new_rows(target, source)
    known = exists().where(_same_key(target, table, source))
    return [twins, changed, insert(table).from_select(names, rows.where(not_(known)))]


def _new_rows(target: KindTable, source: FromClause) -> tuple[list[str], Select[Any]]:
    """Columns and rows to insert, in the order of the key: two writers then lock alike."""
    names = list(target.owned)
    columns: list[ColumnElement[Any]] = [source.c[name] for name in names]
    if "last_modified" in target.table.c:
        names.append("last_modified")
        columns.append(func.current_timestamp())
    return names, select(*columns).order_by(*(source.c[name] for name in target.key))


def _differs(target: KindTable, name: str, wanted: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a column must be written; one unusable value is as good as another."""
    existing = target.table.c[name]
    if isinstance(wanted, Null):
        return existing.not_like(LIKE_UNUSABLE)
    different = existing.is_distinct_from(wanted)
    if name not in target.credentials:
        return different
    return and_(different, not_(and_(existing.like(LIKE_UNUSABLE), wanted.like(LIKE_UNUSABLE))))


def _key_stands_in(target: KindTable, source: FromClause) -> ColumnElement[bool]:
    existing = tuple_(*(target.table.c[name] for name in target.key))
    return existing.in_(select(*(source.c[name] for name in target.key)))


def _same_key(target: KindTable, left: FromClause, right: FromClause) -> ColumnElement[bool]:
    return and_(*(left.c[name] == right.c[name] for name in target.key))
