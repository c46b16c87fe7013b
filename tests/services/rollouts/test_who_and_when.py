"""Change windows and approval: who lets a rollout begin, and when; two administrators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.core.errors import InvalidFields, InvalidInput, Rejected, StalePlan
from provisioning.core.roles import Role
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import AuditEvent, ConsoleUser, Rollout, ServerPool
from provisioning.services.accounts.blocks import block_account
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.alerts.conditions import find_conditions
from provisioning.services.alerts.watch import watch
from provisioning.services.console.retention import forget_old_rollouts
from provisioning.services.push.pause import pause, resume
from provisioning.services.rollouts import actions
from provisioning.services.rollouts.advance import advance
from provisioning.services.rollouts.standing import changes_of, holding_back
from provisioning.services.rollouts.waiting import why_waiting
from provisioning.services.servers.pools import save_pool
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests.factories import make_account
from tests.push_site import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def pool(new_site: Callable[..., Site]) -> ServerPool:
    """A pool with one store and no server to be watched."""
    site = new_site()
    site.store.pool.staged = True
    site.store.pool.save()
    return site.store.pool


@pytest.fixture
def second() -> Actor:
    user = ConsoleUser.objects.create_user("bea", "a long password", role=Role.ADMINISTRATOR)
    return Actor.of(user)


def change(pool: ServerPool, value: int, actor: Actor) -> Rollout:
    place = Place(SettingScope.POOL, ServerPool.objects.get(pk=pool.pk))
    set_value(place=place, setting=CATALOGUE["min_expires"], value=value, actor=actor)
    return Rollout.objects.latest("pk")


def terms(pool: ServerPool, **values: Any) -> None:
    ServerPool.objects.filter(pk=pool.pk).update(**values)


def step(rollout: Rollout) -> Rollout:
    Rollout.objects.filter(pk=rollout.pk).update(not_before=None)
    advance(rollout_id=rollout.pk)
    return Rollout.objects.select_related("pool").get(pk=rollout.pk)


def closed_now() -> str:
    """A window that is not open today nor tomorrow."""
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[(timezone.now().weekday() + 3) % 7]
    return f"{day} 10:00-11:00"


def test_the_author_cannot_approve_and_somebody_else_can(
    pool: ServerPool, actor: Actor, second: Actor
) -> None:
    terms(pool, needs_approval=True)
    rollout = step(change(pool, 20, actor))
    assert (rollout.state, rollout.waits) == (
        "waiting",
        "Somebody who changed nothing of it has to approve it.",
    )
    with pytest.raises(Rejected, match="somebody else has to approve"):
        actions.approve(rollout=rollout, digest=rollout.digest, actor=actor)
    with pytest.raises(Rejected, match="Say which console user"):
        actions.approve(rollout=rollout, digest=rollout.digest, actor=COMMAND_LINE)
    actions.approve(rollout=rollout, digest=rollout.digest, actor=second)
    rollout.refresh_from_db()
    assert (rollout.state, rollout.waits) == ("waiting", "")
    assert step(rollout).state == "running"
    event = AuditEvent.objects.get(action="approved")
    assert (event.actor, event.object_name) == (second.user, str(rollout))


def test_who_is_to_approve_sees_what_a_row_that_is_not_there_yet_would_hold(
    pool: ServerPool, actor: Actor
) -> None:
    rollout = change(pool, 90, actor)
    assert list(holding_back(CATALOGUE["min_expires"])) == [rollout]
    assert not holding_back(CATALOGUE["max_expires"]).exists()
    (seen,), count = changes_of(rollout)
    assert (seen.label, seen.what, count) == ("Shortest registration", "is created", 1)
    assert seen.fields == (("setting", "min_expires", None), ("value", "90", None))


def test_whoever_joins_a_rollout_is_an_author_of_it_too(
    pool: ServerPool, actor: Actor, second: Actor
) -> None:
    terms(pool, needs_approval=True)
    rollout = change(pool, 20, actor)
    assert change(pool, 30, second) == rollout
    rollout.refresh_from_db()
    for each in (actor, second):
        with pytest.raises(Rejected, match="somebody else"):
            actions.approve(rollout=rollout, digest=rollout.digest, actor=each)


def test_an_approval_is_of_what_was_seen_and_asked_for_again_when_something_joins(
    pool: ServerPool, actor: Actor, second: Actor
) -> None:
    terms(pool, needs_approval=True)
    rollout = change(pool, 20, actor)
    seen = rollout.digest
    change(pool, 30, actor)
    with pytest.raises(StalePlan, match="Something was added"):
        actions.approve(rollout=rollout, digest=seen, actor=second)
    rollout.refresh_from_db()
    actions.approve(rollout=rollout, digest=rollout.digest, actor=second)
    change(pool, 40, actor)
    assert step(rollout).waits == "Somebody who changed nothing of it has to approve it."


def test_a_help_desk_cannot_approve(pool: ServerPool, actor: Actor, helpdesk: ConsoleUser) -> None:
    terms(pool, needs_approval=True)
    rollout = change(pool, 20, actor)
    with pytest.raises(Rejected, match="role"):
        actions.approve(rollout=rollout, digest=rollout.digest, actor=Actor.of(helpdesk))


def test_who_switches_the_approval_off_does_not_free_what_waits_for_it(
    pool: ServerPool, actor: Actor
) -> None:
    terms(pool, needs_approval=True)
    rollout = change(pool, 20, actor)
    terms(pool, needs_approval=False)
    assert step(rollout).waits == "Somebody who changed nothing of it has to approve it."


def test_outside_of_its_window_a_rollout_says_until_when_it_waits(
    pool: ServerPool, actor: Actor
) -> None:
    terms(pool, windows=closed_now(), time_zone="Europe/Berlin")
    rollout = step(change(pool, 20, actor))
    assert rollout.state == "waiting"
    assert "The change window opens on" in rollout.waits
    assert "10:00 (Europe/Berlin)" in rollout.waits
    terms(pool, windows="Mon-Sun 00:00-24:00")
    assert step(rollout).state == "running"


def test_a_rollout_is_let_out_of_its_window_with_a_reason_by_whoever_may(
    pool: ServerPool, actor: Actor, helpdesk: ConsoleUser
) -> None:
    terms(pool, windows=closed_now())
    rollout = change(pool, 20, actor)
    with pytest.raises(InvalidInput, match="Say why"):
        actions.hurry(rollout=rollout, reason=" ", actor=actor)
    with pytest.raises(Rejected, match="role"):
        actions.hurry(rollout=rollout, reason="fire", actor=Actor.of(helpdesk))
    actions.hurry(rollout=rollout, reason="fraud under way", actor=actor)
    assert step(rollout).state == "running"
    event = AuditEvent.objects.get(action="pushed outside of the change window")
    assert event.detail["reason"] == "fraud under way"


def test_a_leaver_waits_neither_for_a_window_nor_for_an_approval(
    pool: ServerPool, actor: Actor
) -> None:
    site_store = pool.stores.get()
    account = make_account(user_part="ann", pool=pool)
    terms(pool, windows=closed_now(), needs_approval=True)
    step(change(pool, 20, actor))
    block_account(account=account, reason="left", actor=actor)
    waiting = site_store.pending.filter(kind="subscriber")
    assert list(waiting.values_list("stage", flat=True)) == [None]


def test_what_waits_for_somebody_is_a_decision_and_what_was_rolled_back_an_alert(
    pool: ServerPool, actor: Actor
) -> None:
    terms(pool, needs_approval=True)
    rollout = change(pool, 20, actor)
    assert [(c.kind, c.noun, c.pk) for c in find_conditions(watch())] == [
        ("rollout-waits", "rollout", rollout.pk)
    ]
    Rollout.objects.filter(pk=rollout.pk).update(state="rolled back", problem="sip1 is silent.")
    (found,) = find_conditions(watch())
    assert (found.kind, "sip1 is silent." in found.text) == ("rollout-rolled-back", True)
    actions.cancel(rollout=rollout, reason="not wanted", actor=actor)
    assert find_conditions(watch()) == []


def test_an_old_rollout_is_forgotten_unless_it_still_holds_something_back(
    pool: ServerPool, actor: Actor
) -> None:
    rollout = change(pool, 20, actor)
    actions.cancel(rollout=rollout, reason="not wanted", actor=actor)
    Rollout.objects.update(ended_at=timezone.now() - timedelta(days=91))
    assert forget_old_rollouts() == 0
    pool.stores.get().pending.all().delete()
    assert forget_old_rollouts() == 1


def test_nothing_is_put_back_while_all_pushes_are_paused(pool: ServerPool, actor: Actor) -> None:
    rollout = step(change(pool, 20, actor))
    actions.roll_back(rollout=rollout, reason="wrong", actor=actor)
    pause(reason="storm", actor=actor)
    rollout = step(rollout)
    assert (rollout.state, rollout.waits) == ("rolling back", "All pushes are paused.")
    resume(actor=actor)
    assert step(rollout).state == "rolled back"


def test_the_next_rollout_of_a_pool_waits_for_the_one_under_way(
    pool: ServerPool, actor: Actor
) -> None:
    first = step(change(pool, 20, actor))
    second = step(change(pool, 30, actor))
    assert first.pk != second.pk
    assert why_waiting(second) == f"{first} of the same pool comes first; it is running."


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"windows": "nights"}, "windows"),
        ({"time_zone": "Berlin"}, "time_zone"),
        ({"staged": False, "needs_approval": True}, "staged"),
        ({"staged": False, "windows": "Mon 1:00-2:00"}, "staged"),
    ],
)
def test_terms_that_cannot_be_are_refused_at_their_field(
    pool: ServerPool, actor: Actor, values: dict[str, Any], field: str
) -> None:
    for name, value in values.items():
        setattr(pool, name, value)
    with pytest.raises(InvalidFields) as caught:
        save_pool(pool=pool, actor=actor)
    assert list(caught.value.fields) == [field]
