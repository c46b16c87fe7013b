"""Runs and rows of plans, made for the pages that show them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from provisioning.models import (
    PlannedChange,
    Run,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs.runs import execute_run, request_rules_run

HTMX = {"HX-Request": "true"}


def rules_run(*, dry: bool = False) -> Run:
    return execute_run(run_id=request_rules_run(actor=COMMAND_LINE, dry=dry).pk)


def plan_row(run: Run, ordinal: int, **values: Any) -> PlannedChange:
    guid = f"{ordinal:036}"
    columns = {
        "source_id": 1,
        "kind": "account",
        "key": f"{guid}/main",
        "subject": guid,
        "name": f"Name {ordinal}",
        "action": "create",
        "at": timezone.now(),
        "status": "applied",
        **values,
    }
    return PlannedChange.objects.create(run=run, ordinal=ordinal, **columns)
