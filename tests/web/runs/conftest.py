"""Runs in the states that pages are looked at in."""

from __future__ import annotations

import pytest

from provisioning.models import (
    Run,
)
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.rules.rules import switch_rule
from provisioning.services.runs.review import approve_run
from provisioning.services.runs.runs import execute_run
from tests.factories import (
    make_account,
    make_person,
    make_rule,
    make_source,
)


@pytest.fixture
def waiting() -> Run:
    """A run that would take their accounts from ten people, so that all of them are held."""
    rule, source = make_rule(), make_source()
    for number in range(10):
        person = make_person(f"Person {number}", source=source)
        make_account(person=person, rule=rule, user_part=person.login)
    switch_rule(rule=rule, enabled=False, actor=COMMAND_LINE)
    run = execute_run(run_id=Run.objects.get().pk)
    assert run.state == Run.State.WAITING
    return run


@pytest.fixture
def disabled(waiting: Run) -> Run:
    """A run that took their accounts from ten people, as an administrator approved."""
    approve_run(run=waiting, digest=waiting.digest, actor=COMMAND_LINE)
    return execute_run(run_id=waiting.pk)
