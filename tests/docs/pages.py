"""Reading the documentation: its pages, tables and sections."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")))


def page(name: str) -> str:
    """The text of a page in docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table in `text`, headings among them."""
    lines = (line.strip() for line in text.splitlines())
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in lines
        if line.startswith("|") and not line.startswith("|-")
    ]


def sections(text: str) -> dict[str, str]:
    """What stands below each heading of the second level, by heading."""
    parts = text.split("\n## ")[1:]
    return {head: body for head, _, body in (part.partition("\n") for part in parts)}
