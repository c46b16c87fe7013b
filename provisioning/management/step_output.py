"""The steps of a connection test on the command line, and the exit code that they end with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import OutputWrapper

from provisioning.services.servers.connection_test import Step, StepState

FAILED, WARNING = 1, 2
_MARKS = {StepState.OK: "ok", StepState.WARNING: "warning", StepState.FAILED: "FAILED"}


def print_step(out: OutputWrapper, step: Step) -> None:
    """What the step found, and what to do where that is not enough."""
    took = "" if step.milliseconds is None else f" ({step.milliseconds} ms)"
    first, *more = step.detail.splitlines() or [""]
    out.write(f"{_MARKS[step.state]:<8} {step.name}: {first}{took}")
    for line in [*more, *([f"→ {step.advice}"] if step.advice else [])]:
        out.write(f"         {line}")


def steps_as_json(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """The steps as plain values."""
    return [asdict(step) for step in steps]
