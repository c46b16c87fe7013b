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
    Integer,
    Null,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    literal_column,
    not_,
    null,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from provisioning.drivers.database.exact import distinct, same
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.unusable import like_unusable

Values = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Incoming:
    """Rows handed to a statement as parameters, which become a table of `columns` and `n`.

    `n` counts from 0. On PostgreSQL each column is one text with a line per row, elsewhere all is
    one JSON array of arrays. No value holds a line break; only those of `optional` may be empty.
    Values are texts; those of `integers` become whole numbers, as MySQL does by itself.
    """

    dialect: str
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()

    def source(self) -> FromClause:
        if self.dialect == "mysql":
            return self._json_table()
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
        labelled = (
            (cast(field, Integer) if name in self.integers else field).label(name)
            for field, name in zip(fields, self.columns, strict=True)
        )
        return select(*labelled, number.label("n")).select_from(each).subquery("incoming")

    def parameters(self, rows: Values) -> dict[str, str]:
        if self.dialect != "postgresql":
            return {"rows": json.dumps(rows, check_circular=False)}
        return dict(zip(self._names, map("\n".join, zip(*rows, strict=True)), strict=True))

    def _json_table(self) -> FromClause:
        """Rows of MariaDB's and MySQL's JSON_TABLE, whose values are never cut off."""
        kind = "TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        fields = [f"{name} {kind} PATH '$[{n}]'" for n, name in enumerate(self.columns)]
        columns = f"COLUMNS (place FOR ORDINALITY, {', '.join(fields)})"
        each = text(f"JSON_TABLE(:rows, '$[*]' {columns}) AS each_row")
        names = [literal_column(name, Text).label(name) for name in self.columns]
        number = literal_column("place - 1", Integer).label("n")
        return select(*names, number).select_from(each).subquery("incoming")

    @property
    def _names(self) -> list[str]:
        return [f"rows_{name}" for name in self.columns]


def join_keys(
    statement: Select[Any], table: Table, key: tuple[str, ...], source: FromClause
) -> Select[Any]:
    """Narrows `statement` to the rows of `table` whose key stands in `source`."""
    return statement.join_from(table, source, and_(*(same(table.c[k], source.c[k]) for k in key)))


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


def delete_keys(target: KindTable, source: FromClause, dialect: str) -> Delete:
    """Deletes the rows whose key stands in `source`, and no other."""
    return delete(target.table).where(_key_stands_in(target, source, dialect))


def merge(target: KindTable, source: FromClause, dialect: str) -> list[ClauseElement]:
    """Creates or changes the rows of `source`; a row that is as it should be is not written."""
    # On MySQL a unique index takes another writing for the same key, and an upsert would overwrite
    # it: there a row that somebody else wrote so is refused by the index instead.
    if target.unique and dialect != "mysql":
        return [_upsert(target, source, dialect)]
    return _replace(target, source, dialect)


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


def _replace(target: KindTable, source: FromClause, dialect: str) -> list[ClauseElement]:
    """A merge that needs no unique index; of rows that share a key the eldest stays."""
    statements: list[ClauseElement] = []
    if not target.unique:
        statements.append(_without_twins(target, source, dialect))
    if target.values:
        statements.append(
            update(target.table)
            .values({name: source.c[name] for name in target.values})
            .where(
                _same_key(target, target.table, source),
                or_(*(_differs(target, name, source.c[name]) for name in target.values)),
            )
        )
    names, rows = _new_rows(target, source)
    known = exists().where(_same_key(target, target.table, source))
    return [*statements, insert(target.table).from_select(names, rows.where(not_(known)))]


def _without_twins(target: KindTable, source: FromClause, dialect: str) -> Delete:
    table, elder = target.table, target.table.alias("elder")
    older = and_(_same_key(target, elder, table), elder.c.id < table.c.id)
    # MySQL joins the table that it deletes from with itself, but has it in no subquery.
    stands_there = older if dialect == "mysql" else exists().where(older)
    return delete(table).where(_key_stands_in(target, source, dialect), stands_there)


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
    if name not in target.credentials:
        return distinct(existing, wanted)
    nobody = like_unusable(target.credentials[name])
    if isinstance(wanted, Null):
        return existing.not_like(nobody)
    return and_(distinct(existing, wanted), not_(and_(existing.like(nobody), wanted.like(nobody))))


def _key_stands_in(target: KindTable, source: FromClause, dialect: str) -> ColumnElement[bool]:
    if dialect == "mysql":
        return _same_key(target, target.table, source)
    existing = tuple_(*(target.table.c[name] for name in target.key))
    return existing.in_(select(*(source.c[name] for name in target.key)))


def _same_key(target: KindTable, left: FromClause, right: FromClause) -> ColumnElement[bool]:
    return and_(*(same(left.c[name], right.c[name]) for name in target.key))
