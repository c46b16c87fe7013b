"""Any history of a directory: planned is what becomes, twice changes nothing, nobody is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.core.states import State
from provisioning.models import Account, Credential, GroupMember, Number, Person, PlannedChange, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs import apply, review, runs
from provisioning.services.runs.plan import UNAPPLIED
from tests.services.company import Company, Somebody, company, rows_of
from tests.services.story import STEP, Story, forget_everything

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of a few rows are applied in several transactions."""
    monkeypatch.setattr(apply, "WINDOW", 4)


@settings(max_examples=25)
@given(st.lists(STEP, min_size=3, max_size=25), st.booleans())
def test_after_any_history_the_console_says_what_the_directory_says(
    company: Company, steps: list[tuple[str, int, str]], follow: bool
) -> None:
    forget_everything()
    company.relax()
    company.rule.follow_user = follow
    company.rule.save()
    story = Story(company)
    for step in steps:
        story.tell(step)
    for _ in range(3):
        run = company.sync()
        while run.state == Run.State.WAITING:
            review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
            runs.execute_run(run_id=run.pk)
            run = company.sync()
    _check_people(story)
    _check_accounts(story)
    assert rows_of(company.sync()) == []
    assert not PlannedChange.objects.filter(UNAPPLIED).exists()


def _check_people(story: Story) -> None:
    known = {person.guid: person for person in Person.objects.all()}
    for one in story.everybody:
        there = one in story.directory.people
        if one.guid not in known:
            assert not there
            continue
        person = known[one.guid]
        assert (person.left_at is None) is there
        if there:
            assert person.login == one.values["login"]
            assert person.disabled is (one.values.get("locked") == "yes")
    members = set(GroupMember.objects.values_list("person__guid", flat=True))
    in_team = {one.guid for one in story.team.members if isinstance(one, Somebody)}
    assert members == in_team & {one.guid for one in story.directory.people}


def _check_accounts(story: Story) -> None:
    accounts = {
        person.guid: account
        for account in Account.objects.select_related("person")
        if (person := account.person) is not None
    }
    for one in story.everybody:
        account = accounts.get(one.guid)
        if one not in story.directory.people:
            assert account is None or account.state == State.GRACE
            continue
        person = Person.objects.get(guid=one.guid)
        if account is None:
            assert "already belongs to" in person.problem
            continue
        usable = State.ACTIVE if one.values.get("locked") != "yes" else account.state
        assert account.state == usable != State.GRACE
        assert Credential.objects.get(account=account).auth_user == account.user_part
        number = Number.objects.filter(account=account).first()
        wanted = one.values.get("phone", "")
        if not person.problem:
            assert (number.e164 if number else "") == wanted
    held = [n.e164 for n in Number.objects.filter(account__isnull=False)]
    assert len(held) == len(set(held))
