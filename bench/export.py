"""How many client documents a second are exported: the ZIP of 100,000 accounts, with secrets."""

from __future__ import annotations

import json

from bench.console import bench_console
from bench.names import PEOPLE
from provisioning.profiles.registry import RENDERERS


def measure() -> dict[str, float]:
    """`export.profiles_per_second.<format>`, one process for each format, on SQLite."""
    figures: dict[str, float] = {}
    with bench_console("sqlite") as console:
        console.fill()
        for format in RENDERERS:
            call = f"bench.export_once.export({format!r})"
            printed = console.call(call, "bench.export_once")
            told: dict[str, float] = json.loads(printed)
            assert told["written"] == PEOPLE, told
            figures[f"export.profiles_per_second.{format}"] = round(PEOPLE / told["seconds"])
    return figures
