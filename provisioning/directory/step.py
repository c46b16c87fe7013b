"""A step of the connection test of a directory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step: whether it worked, what was found (`detail`: more of it, in lines), what to do.

    `advice` is empty where nothing is to be done; beside a step that worked it is a warning.
    `milliseconds` is how long the step took.
    """

    name: str
    ok: bool
    text: str
    detail: str = ""
    advice: str = ""
    milliseconds: int = 0


def listed(what: str, values: Collection[str]) -> str:
    """A heading with the values below it; empty without any."""
    return "\n".join((f"{what}:", *values)) if values else ""
