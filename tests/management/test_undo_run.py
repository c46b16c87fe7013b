"""The command that undoes a run."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from provisioning.core.states import State
from provisioning.models import Account, Pin, Run
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = pytest.mark.django_db


def undo(*arguments: str | int, status: int = 0) -> str:
    """What the command says when it ends with `status`."""
    out = StringIO()
    if not status:
        call_command("undo_run", *arguments, stdout=out)
        return out.getvalue()
    with pytest.raises(CommandError) as ended:
        call_command("undo_run", *arguments, stdout=out)
    assert ended.value.returncode == status
    return f"{out.getvalue()}{ended.value}"


@pytest.fixture
def run(company: Company) -> Run:
    """A run that disabled two of ten."""
    company.relax()
    people = company.directory.add_many(10)
    company.sync()
    for one in people[:2]:
        one.set(locked="yes")
    return company.sync()


def _disabled() -> int:
    return Account.objects.filter(state=State.DISABLED).count()


def test_it_is_dry_unless_told_otherwise(run: Run) -> None:
    said = undo(run.pk)
    assert "preview, nothing was changed" in said
    assert "Accounts   2 changed" in said
    assert "In service again: 2" in said
    assert _disabled() == 2
    assert "done" in undo(run.pk, "--apply")
    assert _disabled() == 0


def test_what_is_left_is_named(run: Run) -> None:
    account = Account.objects.filter(state=State.DISABLED).earliest("id")
    Pin.objects.create(account=account, field="state", value="disabled", reason="x")
    assert f"{account}: An administrator pinned the state since." in undo(run.pk)
    found = json.loads(undo(run.pk, "--json"))
    assert (found["undoes"], found["left_count"]) == (run.pk, 1)
    assert found["effects"]["regaining"] == 1


def test_nothing_to_undo_and_no_such_run_are_said(company: Company, run: Run) -> None:
    assert "nothing to undo" in undo(company.sync().pk, status=1)
    assert "no run #999" in undo(999, status=1)


def test_what_passes_a_limit_waits(company: Company) -> None:
    company.relax()
    company.directory.add_many(3)
    said = undo(company.sync().pk, "--apply", status=2)
    assert "at most 3 of 3 pass without approval" in said
    assert _disabled() == 0
