"""One person with an entry in each of two forests: joined, kept, parted, and never guessed."""

from __future__ import annotations

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.models import Account, Credential, Number, Person, PlannedChange, Run
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.joins import joins
from provisioning.services.runs import review, runs
from provisioning.services.runs.undo import request_undo
from tests.services.company import Somebody, rows_of
from tests.services.joins.forests import OTHER_PHONE, PHONE, Forests

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def ann(forests: Forests) -> tuple[Somebody, Somebody]:
    """Somebody with an entry and an account in each of both."""
    entries = (
        forests.directory.add("ann", employee_id="4711", phone=PHONE, mail="ann@example.com"),
        forests.second.add("a.lee", employee_id="4711 ", phone=OTHER_PHONE, title="Engineer"),
    )
    forests.sync_both()
    return entries


def test_one_person_with_two_entries_keeps_one_account(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    before = [forests.account_of(entry) for entry in ann]
    run = forests.join()
    assert rows_of(run, "person") == [("person", "join", "A.Lee")]
    assert forests.entry(ann[1]).same_as == forests.entry(ann[0])
    kept, other = (forests.account_of(entry) for entry in ann)
    assert kept == before[0]
    assert other == before[1]
    assert kept is not None
    assert other is not None
    assert (kept.state, other.state) == (State.ACTIVE, State.GRACE)
    assert Number.objects.get(e164=OTHER_PHONE).account == other
    forests.sync_both()
    assert rows_of(forests.sync()) == []
    assert rows_of(forests.sync(source=forests.bought)) == []
    assert rows_of(forests.apply_rules()) == []


def test_a_preview_shows_the_same_and_changes_nothing(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    preview = forests.join(dry=True)
    assert preview.state == Run.State.PREVIEW
    assert forests.entry(ann[1]).same_as is None
    shown = rows_of(preview)
    again = forests.carry_out(joins.join_again(run=preview, actor=COMMAND_LINE))
    assert rows_of(again) == shown
    assert forests.entry(ann[1]).same_as is not None
    with pytest.raises(InvalidInput):
        joins.join_again(run=again, actor=COMMAND_LINE)


def test_an_undo_parts_them_and_loses_nothing(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    def known() -> list[tuple[object, ...]]:
        accounts = Account.objects.order_by("pk").values_list(
            "pk", "person", "state", "aor", "pool"
        )
        numbers = Number.objects.order_by("e164").values_list("e164", "account", "state")
        return [
            *accounts,
            *numbers,
            *Credential.objects.order_by("pk").values_list("pk", "version"),
        ]

    before = known()
    run = forests.join()
    assert known() != before
    undone = forests.carry_out(request_undo(run=run, actor=COMMAND_LINE))
    assert rows_of(undone, "person") == [("person", "separate", "A.Lee")]
    assert forests.entry(ann[1]).same_as is None
    assert known() == before
    forests.sync_both()
    assert known() == before


def test_parting_by_hand_and_undoing_that_joins_again(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    forests.join()
    parted = forests.carry_out(joins.separate(entry=forests.entry(ann[1]), actor=COMMAND_LINE))
    assert forests.entry(ann[1]).same_as is None
    forests.carry_out(request_undo(run=parted, actor=COMMAND_LINE))
    assert forests.entry(ann[1]).same_as == forests.entry(ann[0])
    with pytest.raises(InvalidInput):
        joins.separate(entry=forests.entry(ann[0]), actor=COMMAND_LINE)


def test_by_hand_whoever_has_an_account_keeps_it(forests: Forests) -> None:
    forests.rule.source = forests.bought
    forests.rule.save()
    first = forests.directory.add("ann", title="Head")
    second = forests.second.add("a.lee")
    forests.sync_both()
    account = forests.account_of(second)
    assert forests.account_of(first) is None
    run = joins.join_people(
        one=forests.entry(first), other=forests.entry(second), actor=COMMAND_LINE
    )
    forests.carry_out(run)
    assert forests.entry(first).same_as == forests.entry(second)
    assert forests.account_of(second) == account
    assert account is not None
    account.refresh_from_db()
    assert account.state == State.ACTIVE
    with pytest.raises(InvalidInput, match="already"):
        joins.join_people(one=forests.entry(first), other=forests.entry(second), actor=COMMAND_LINE)


def test_gone_from_one_forest_keeps_the_account_gone_from_both_is_a_leaver(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    forests.join()
    forests.directory.remove(ann[0])
    forests.sync()
    kept = forests.account_of(ann[0])
    assert kept is not None
    assert kept.state == State.ACTIVE
    assert keep_deadlines()["removed"] == 0
    forests.second.remove(ann[1])
    run = forests.sync(source=forests.bought)
    kept.refresh_from_db()
    assert kept.state == State.GRACE
    assert ("account", "update", "Ann") in rows_of(run)
    forests.second.people.append(ann[1])
    forests.sync(source=forests.bought)
    kept.refresh_from_db()
    assert kept.state == State.ACTIVE


@pytest.mark.parametrize(
    ("service", "first", "second", "state"),
    [
        ("first", "yes", "", State.DISABLED),
        ("first", "", "yes", State.ACTIVE),
        ("any", "yes", "", State.ACTIVE),
        ("any", "yes", "yes", State.DISABLED),
        ("all", "", "yes", State.DISABLED),
        ("all", "", "", State.ACTIVE),
    ],
)
def test_which_entry_decides_about_service(
    forests: Forests,
    ann: tuple[Somebody, Somebody],
    service: str,
    first: str,
    second: str,
    state: State,
) -> None:
    forests.prefer(forests.source, forests.bought, service=service)
    forests.join()
    ann[0].set(locked=first)
    ann[1].set(locked=second)
    forests.sync_both()
    kept = forests.account_of(ann[0])
    assert kept is not None
    assert kept.state == state


def test_the_source_that_comes_first_gives_each_value(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    forests.prefer(forests.source, forests.bought, orders={"display_name": [forests.bought.pk]})
    forests.rule.condition = "equals(title, 'Engineer')"
    forests.rule.save()
    forests.join()
    kept = forests.account_of(ann[0])
    assert kept is not None
    assert (kept.state, kept.name) == (State.ACTIVE, "A.Lee")
    ann[1].set(display_name="Ann of Bought")
    forests.sync(source=forests.bought)
    kept.refresh_from_db()
    assert kept.name == "Ann of Bought"


def test_a_rule_for_one_forest_and_its_groups_is_for_whoever_is_there_too(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    team = forests.second.group("Sales", ann[1])
    forests.sync(source=forests.bought)
    forests.rule.group = forests.rule.source = None
    forests.rule.group = forests.bought.groups.get(guid=team.guid)
    forests.rule.source = forests.bought
    forests.rule.save()
    forests.join()
    kept = forests.account_of(ann[0])
    assert kept is not None
    assert kept.state == State.ACTIVE
    team.members.clear()
    team.members.append(forests.second.people[0])
    forests.sync(source=forests.bought)
    kept.refresh_from_db()
    assert kept.state == State.GRACE


def test_a_limit_holds_all_that_is_about_one_person_and_releases_it_together(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    one, _ = forests.add_pair("bob")
    forests.bought.limit_ceiling = 0
    forests.bought.save()
    run = forests.join()
    assert run.state == Run.State.WAITING
    held = run.changes.filter(status=PlannedChange.Status.HELD)
    assert {row.kind for row in held} == {"person", "account"}
    assert forests.entry(ann[1]).same_as is None
    review.release_people(run=run, digest=run.digest, subjects=[ann[1].guid], actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    assert forests.entry(ann[1]).same_as == forests.entry(ann[0])
    other = forests.account_of(ann[1])
    assert other is not None
    assert other.state == State.GRACE
    assert not forests.entry(one).entries.exists()


def test_a_leaver_of_both_forests_waits_as_a_whole(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    bob = forests.add_pair("bob")
    forests.join()
    forests.directory.remove(ann[0], bob[0])
    forests.sync()
    forests.bought.limit_ceiling = 0
    forests.bought.save()
    forests.second.remove(ann[1], bob[1])
    for _ in range(2):
        run = forests.sync(source=forests.bought)
        kept = forests.account_of(ann[0])
        assert kept is not None
        assert kept.state == State.ACTIVE
        assert forests.entry(ann[1]).left_at is None
    assert kept is not None
    run = Run.objects.get(state=Run.State.WAITING)
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    kept.refresh_from_db()
    assert kept.state == State.GRACE


def test_whoever_changed_since_the_plan_is_not_joined(
    forests: Forests, ann: tuple[Somebody, Somebody]
) -> None:
    forests.add_pair("bob")
    forests.bought.limit_ceiling = 0
    forests.bought.save()
    run = forests.join()
    ann[0].set(employee_id="1")
    forests.sync()
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    assert forests.entry(ann[1]).same_as is None
    other = forests.account_of(ann[1])
    assert other is not None
    assert other.state == State.ACTIVE
    forests.sync_both()
    assert not Person.objects.filter(to_decide__gt=0).exists()
