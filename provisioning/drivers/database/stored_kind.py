"""How rows of one kind stand in their table: which values they have, which rows cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from typing import Any

from provisioning.drivers.base import Kind, Row
from provisioning.drivers.database.kind_table import KindTable
from provisioning.drivers.database.unusable import is_unusable, unusable

# Line breaks beyond ASCII among them: no SIP URI has any.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Values = tuple[str, ...]


def never(_row: Row) -> bool:
    """That a row says nothing of columns that verify nobody unless it does."""
    return False


@dataclass(frozen=True, eq=False)
class StoredKind:
    """A kind, its table, and what stands between both.

    `key` makes the key columns' values of a key, none of what is no key. `values` makes those of
    `target.owned` of a row; its second argument, of 64 characters, is what verifies nobody. `row`
    makes the row of them. `tells_secrets` is whether a row says what stands in `target.secrets`.
    `digests` are columns that hold a digest, by the numbers of digits that it may have. Where the
    kind is `optional`, a database may lack its table.
    """

    kind: Kind
    row_class: type[Row]
    target: KindTable
    key: Callable[[str], Values]
    values: Callable[[Any, str], Values]
    row: Callable[[Sequence[Any]], Row]
    tells_secrets: Callable[[Row], bool] = never
    digests: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    optional: bool = False

    def key_values(self, key: str) -> Values:
        """The key columns' values; empty when `key` is none of this kind.

        Addresses are ASCII (RFC 3261 section 25.1): what a database makes of other characters,
        each collation sees differently.
        """
        return () if not key.isascii() or _CONTROL.search(key) else self.key(key)

    def written_values(self, rows: Sequence[Row]) -> list[Values]:
        """The owned columns' values of each row, in the order of KindTable.owned."""
        credentials = bool(self.target.credentials)
        nobodies = unusable(len(rows)) if credentials else repeat("", len(rows))
        return [self.values(row, nobody) for row, nobody in zip(rows, nobodies, strict=True)]

    def compared_values(self, rows: Sequence[Row], *, secrets: bool = False) -> list[Values]:
        """The values that tell whether a row is there, in the order of KindTable.compared.

        With `secrets`, in the order of KindTable.owned.
        """
        (nobody,) = unusable(1)
        told = [self.values(row, nobody) for row in rows]
        if secrets or not self.target.secrets:
            return told
        compared = len(self.target.compared)
        return [values[:compared] for values in told]

    def examined(
        self, rows: Sequence[Row], made: Callable[[Sequence[Row]], list[Values]]
    ) -> tuple[dict[int, str], list[Values]]:
        """Why some of `rows` cannot be written, by their place, and what is `made` of the others.

        `made` makes values in the order of KindTable.owned, of as many of its columns as it likes.
        """
        fitting = {type(row) for row in rows} <= {self.row_class}
        values = made(rows) if fitting else []
        bad = self.defects(rows, values if fitting else None)
        return bad, made([row for n, row in enumerate(rows) if n not in bad]) if bad else values

    def defects(self, rows: Sequence[Row], values: Sequence[Values] | None) -> dict[int, str]:
        """Why some of `rows` cannot be written, by their place; an empty digest is none.

        `values` are theirs; None where some are not of this kind.
        """
        if values is not None and not self._defective(rows, values):
            return {}
        found = ((n, self._defect(row)) for n, row in enumerate(rows))
        return {n: said for n, said in found if said}

    def _defective(self, rows: Sequence[Row], values: Sequence[Values]) -> bool:
        """Whether some row may have a defect; looked at by columns, which is quick."""
        if any(map(self.tells_secrets, rows)):
            return True
        target = self.target
        columns = dict(zip(target.compared, zip(*values, strict=True), strict=False))
        for width, (name, column) in zip(target.widths, columns.items(), strict=False):
            lengths = set(map(len, column))
            least = 0 if name in target.optional else 1
            if min(lengths) < least or max(lengths) > width or _CONTROL.search("".join(column)):
                return True
        if not all("".join(columns.get(name, ())).isascii() for name in target.key):
            return True
        return not all(
            form.fullmatch(value) or is_unusable(value, target.credentials[name])
            for name, form in self._forms.items()
            for value in columns.get(name, ())
        )

    @cached_property
    def _forms(self) -> Mapping[str, re.Pattern[str]]:
        """What a digest looks like in each column of them."""
        return {
            name: re.compile("|".join(f"[0-9a-f]{{{each}}}" for each in digits))
            for name, digits in self.digests.items()
        }

    def _fits(self, name: str, value: str) -> bool:
        nobody = is_unusable(value, self.target.credentials[name])
        return nobody or bool(self._forms[name].fullmatch(value))

    def _defect(self, row: Row) -> str:
        if not isinstance(row, self.row_class):
            return f"The row does not belong to the key “{row.key[:80]}”."
        target = self.target
        (values,) = self.compared_values([row], secrets=True)
        told = dict(zip(target.owned, values, strict=True))
        for name, digits in self.digests.items():
            if told[name] and not self._fits(name, told[name]):
                lengths = " or ".join(map(str, digits))
                return f"The HA1 is not {lengths} lower-case hexadecimal digits."
        # SQLite does not enforce widths, and servers copy into buffers made for them.
        for (column, value), width in zip(told.items(), target.widths, strict=True):
            if not value and column not in target.may_be_empty:
                return f"{column} is empty."
            if len(value) > width:
                return f"{column} has {len(value)} characters; the column holds {width}."
            if _CONTROL.search(value):
                return f"{column} holds a control character."
            if column in target.key and not value.isascii():
                return f"{column} holds “{value[:80]}”, which is not of ASCII characters alone."
        return ""


def address(key: str) -> Values:
    """User and domain of the key of an account or a number."""
    user, _, domain = key.rpartition("@")
    return (user, domain) if user and domain else ()


def name(key: str) -> Values:
    """The one value of a key that is a name."""
    return (key,) if key else ()
