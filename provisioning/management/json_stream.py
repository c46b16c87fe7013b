"""One JSON object on standard output whose last list is written as it comes: it may be long."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.management.base import OutputWrapper


def write_object(
    out: OutputWrapper, head: Mapping[str, Any], name: str, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write `head` as one JSON object that also has the list `name`, row by row."""
    begun = json.dumps(head, ensure_ascii=False).removesuffix("}")
    out.write(f'{begun}{", " if head else ""}"{name}": [', ending="")
    separator = ""
    for row in rows:
        out.write(separator + json.dumps(row, ensure_ascii=False), ending="")
        separator = ",\n"
    out.write("]}")
