"""Any directory and any edits: planned is what becomes, and edit and undo is as before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from provisioning.core.states import State
from provisioning.models import Account, Person, Pin, PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import review, runs, undo
from provisioning.services.runs.plan import APPLIED
from tests.services.company import Company, company
from tests.services.story import STEP, Story, forget_everything

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SMALL = settings(max_examples=6, phases=(Phase.generate,))
STEPS = st.lists(STEP, min_size=2, max_size=12)
STALE = PlannedChange.Status.STALE


def told(company: Company, steps: list[tuple[str, int, str]], *, follow: bool) -> Story:
    """A directory after some history, which the console has read."""
    Pin.objects.all().delete()
    forget_everything()
    company.relax()
    company.rule.follow_user = company.rule.follow_number = follow
    company.rule.save()
    story = Story(company)
    company.sync()
    for step in steps:
        story.tell(step)
    whole(company.sync())
    whole(company.sync())
    return story


def whole(run: Run) -> Run:
    """`run`, with what waits approved."""
    while run.state == Run.State.WAITING:
        review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
        runs.execute_run(run_id=run.pk)
        run.refresh_from_db()
    return run


def rows(run: Run) -> list[tuple[Any, ...]]:
    """Everything that a plan says, whether it was applied or not."""
    found = run.changes.order_by("ordinal")
    return list(
        found.values_list(
            "kind", "key", "action", "before", "after", "base_version", "category", "message"
        )
    )


def accounts() -> dict[str, dict[str, Any]]:
    """Everything that is kept of accounts, by GUID."""
    fields = ("state", "aor", "user_part", "name", "version")
    found = Account.objects.values_list("person__guid", "number__e164", *fields)
    return {
        guid: {"number": number or "", **dict(zip(fields, values, strict=True))}
        for guid, number, *values in found
    }


def people() -> dict[str, dict[str, Any]]:
    """Everything that a plan may change of people, by GUID."""
    return {row["guid"]: dict(row) for row in Person.objects.values().order_by("pk")}


@SMALL
@given(STEPS, STEPS, st.booleans())
def test_a_preview_is_what_the_sync_does_and_nothing_else_changes(
    company: Company, history: list[Any], edits: list[Any], follow: bool
) -> None:
    story = told(company, history, follow=follow)
    for step in edits:
        if step[0] != "sync":
            story.tell(step)
    before, known = accounts(), people()
    preview = company.sync(dry=True)
    assert (accounts(), people()) == (before, known)
    run = whole(company.sync())
    if not run.breaches:  # what is approved goes behind the end of its plan
        assert rows(run) == rows(preview)
    after, now = accounts(), people()
    changed = set()
    for row in run.changes.filter(APPLIED, kind="account", action__in=["create", "update"]):
        changed.add(row.subject)
        account = after[row.subject]
        wanted = {field: value for field, value in row.after.items() if field in account}
        assert wanted == {field: account[field] for field in wanted}
    assert {guid: after[guid] for guid in before.keys() - changed} == {
        guid: before[guid] for guid in before.keys() - changed
    }
    moved = set(run.changes.filter(APPLIED, kind="person").values_list("key", flat=True))
    for guid in known.keys() - moved:
        assert known[guid] | {"problem": "", "to_decide": 0} == now[guid] | {
            "problem": "", "to_decide": 0
        }  # fmt: skip


@SMALL
@given(STEPS, STEPS, st.booleans())
def test_an_edit_that_is_undone_leaves_every_account_as_it_was_and_syncs_keep_it_so(
    company: Company, history: list[Any], edits: list[Any], follow: bool
) -> None:
    story = told(company, history, follow=follow)
    for step in edits:
        if step[0] != "sync":
            story.tell(step)
    before = _facts()
    run = whole(company.sync())
    assert (
        undo.can_undo(run)
        is run.changes.filter(APPLIED, kind="account")
        .exclude(action__in=["resolve", "withdraw"])
        .exists()
    )
    if not undo.can_undo(run):
        return
    back = whole(undo.undo_here(run=run, actor=COMMAND_LINE, dry=False))
    assert list(back.changes.filter(status=STALE).values_list("name", "message")) == []
    after = _facts()
    assert {guid: after[guid] for guid in before} == before
    assert {after[guid][0] for guid in after.keys() - before.keys()} <= {State.GRACE}
    whole(company.sync())
    later = accounts()
    for row in back.changes.filter(APPLIED):  # what it did not touch may still be decided anew
        for field in ("state", "aor", "number"):
            if field in row.after:
                assert later[row.subject][field] == row.after[field]


def _facts() -> dict[str, tuple[str, str, str]]:
    return {guid: (row["state"], row["aor"], row["number"]) for guid, row in accounts().items()}
