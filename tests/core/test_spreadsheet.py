"""Cells of CSV files: no spreadsheet runs them, and the import reads back what the export wrote."""

from __future__ import annotations

import pytest

from provisioning.core.spreadsheet import plain_cell, safe_cell

FORMULAS = [
    "=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff201",
]  # fmt: skip


@pytest.mark.parametrize("value", FORMULAS)
def test_what_a_spreadsheet_would_run_becomes_text(value: str) -> None:
    assert safe_cell(value) == f"'{value}"


@pytest.mark.parametrize("value", ["", "Ann Lee", "1-2", "'quoted", "ann@example.com"])
def test_everything_else_stays_as_it_is(value: str) -> None:
    assert safe_cell(value) == value


@pytest.mark.parametrize("value", ["+442079460123", "=1", "Ann", "@home"])
def test_an_export_is_imported_as_it_was(value: str) -> None:
    assert plain_cell(safe_cell(value)) == value
