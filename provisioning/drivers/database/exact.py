"""Comparisons that tell upper from lower case and count blanks, whatever the database's collation.

MySQL and MariaDB compare texts by the collation of their columns: by default `Alice` is `alice` and
`alice ` too. There the collation serves to find rows in an index, and bytes decide.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class same(FunctionElement[bool]):
    """Whether a column holds what another, or a value of ASCII characters, is; neither is NULL."""

    # No Boolean: where a dialect has none, "= 1" would be added, and no index serves that.
    inherit_cache = True


class distinct(FunctionElement[bool]):
    """Whether two texts differ; NULL is equal to NULL alone."""

    inherit_cache = True


@compiles(same)
def _same(element: same, compiler: SQLCompiler, **options: Any) -> str:
    left, right = element.clauses
    return compiler.process(left == right, **options)


@compiles(same, "mysql")
def _same_bytes(element: same, compiler: SQLCompiler, **options: Any) -> str:
    left, right = element.clauses
    column, other = compiler.process(left, **options), compiler.process(right, **options)
    # ASCII is part of every character set: the column's index serves whatever its own is.
    found = f"{column} = CONVERT({other} USING ascii)"
    return f"({found} AND {_bytes(left, compiler, options)} = {_bytes(right, compiler, options)})"


@compiles(distinct)
def _distinct(element: distinct, compiler: SQLCompiler, **options: Any) -> str:
    left, right = element.clauses
    return compiler.process(left.is_distinct_from(right), **options)


@compiles(distinct, "mysql")
def _distinct_bytes(element: distinct, compiler: SQLCompiler, **options: Any) -> str:
    left, right = element.clauses
    return f"NOT ({_bytes(left, compiler, options)} <=> {_bytes(right, compiler, options)})"


def _bytes(text: ColumnElement[Any], compiler: SQLCompiler, options: dict[str, Any]) -> str:
    """The text in one character set, so that only what it says counts."""
    return f"CAST(CONVERT({compiler.process(text, **options)} USING utf8mb4) AS BINARY)"
