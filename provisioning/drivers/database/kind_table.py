"""Where rows of one kind live in a SIP server's database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from sys import maxsize

from sqlalchemy import ColumnElement, Integer, String, Table


@dataclass(frozen=True)
class KindTable:
    """A table with an `id`: `key` and `values` are the columns that the console owns.

    `unique` says whether the database itself keeps the key unique. `credentials` are columns that
    may be empty, by the length of what verifies nobody there: one such value is as good as another;
    `secrets` are those of them, the last of `values`, that verify nobody unless a row says
    otherwise. Further columns are `optional`: they may be
    empty. Where `within` is given, only rows that it holds for are of this kind.
    """

    table: Table
    key: tuple[str, ...]
    values: tuple[str, ...]
    unique: bool
    credentials: Mapping[str, int] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    within: ColumnElement[bool] | None = None

    @cached_property
    def owned(self) -> tuple[str, ...]:
        return self.key + self.values

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """The owned columns that a row tells itself; `secrets` stand behind them."""
        return tuple(name for name in self.owned if name not in self.secrets)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """How many characters each owned column holds."""
        types = (self.table.c[name].type for name in self.owned)
        return tuple((isinstance(each, String) and each.length) or maxsize for each in types)

    @cached_property
    def may_be_empty(self) -> tuple[str, ...]:
        """The owned columns that may hold nothing."""
        return (*self.credentials, *self.optional)

    @cached_property
    def integers(self) -> tuple[str, ...]:
        """The owned columns that hold whole numbers."""
        return tuple(n for n in self.owned if isinstance(self.table.c[n].type, Integer))
