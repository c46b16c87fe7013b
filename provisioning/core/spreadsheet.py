"""Cells of CSV files that a spreadsheet opens without running them as formulas."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

# The wide forms are signs of a formula to spreadsheets in East Asian languages.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(value: str) -> str:
    """`value` for a CSV cell; what would be taken for a formula gets a leading apostrophe."""
    return f"'{value}" if value.startswith(_DANGEROUS) else value


def plain_cell(value: str) -> str:
    """The value of a CSV cell that `safe_cell` may have written."""
    value = value.strip()
    return value[1:].strip() if value[:1] == "'" and value[1:].startswith(_DANGEROUS) else value


def csv_lines(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Each row as a line of CSV (RFC 4180), every cell safe."""
    writer = csv.writer(_Line())
    for row in rows:
        yield writer.writerow([safe_cell(cell) for cell in row])


class _Line:
    """What csv writes to: hands back each line."""

    def write(self, line: str) -> str:
        return line
