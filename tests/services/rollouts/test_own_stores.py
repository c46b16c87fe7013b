"""Settings in stages to real Kamailios with stores of their own: first one, then the other."""

from __future__ import annotations

import pytest

from lab.proxy import BlackHole, Proxy
from provisioning.models import (
    AuditEvent,
    ConfigStore,
    PendingChange,
    Rollout,
    RolloutStage,
    SipServer,
)
from provisioning.services.accounts.blocks import block_account
from provisioning.services.push.waiting import waiting_at, with_waiting
from provisioning.services.rollouts import actions
from tests.services.rollouts.fleet import Fleet

pytestmark = pytest.mark.django_db

State, StageState = Rollout.State, RolloutStage.State


def states(rollout: Rollout) -> list[str]:
    return list(rollout.stages.values_list("state", flat=True))


def test_the_second_server_is_changed_only_when_the_first_was_watched(own_stores: Fleet) -> None:
    fleet = own_stores
    rollout = fleet.change(20)
    assert (fleet.stored(0), fleet.stored(1)) == (None, None)
    rollout = fleet.step(rollout)
    assert (fleet.stored(0), fleet.stored(1)) == ("20", None)
    assert (fleet.effective(0), fleet.effective(1)) == ("20", "60")
    assert states(rollout) == [StageState.WRITING, StageState.WAITING]
    rollout = fleet.step(rollout, 2)
    assert states(rollout) == [StageState.PASSED, StageState.WAITING]
    rollout = fleet.step(rollout, 4)
    assert rollout.state == State.DONE
    assert (fleet.effective(0), fleet.effective(1)) == ("20", "20")
    assert not PendingChange.objects.exists()
    fleet.check()


def test_a_pool_without_stages_is_changed_everywhere_at_once(own_stores: Fleet) -> None:
    own_stores.terms(staged=False)
    own_stores.give(20)
    for site in own_stores.sites:
        site.push()
    assert not Rollout.objects.exists()
    assert (own_stores.stored(0), own_stores.stored(1)) == ("20", "20")


def test_when_the_first_server_dies_everything_is_put_back_and_the_second_was_never_touched(
    own_stores: Fleet,
) -> None:
    fleet = own_stores
    rollout = fleet.step(fleet.change(20))
    assert fleet.stored(0) == "20"
    fleet.kamailios[0].stop()
    rollout = fleet.step(rollout, 2)
    assert rollout.state == State.ROLLED_BACK
    assert "sip1 does not answer OPTIONS" in rollout.problem
    assert "Not touched: sip2" in rollout.problem
    assert states(rollout) == [StageState.FAILED, StageState.WAITING]
    assert (fleet.stored(0), fleet.stored(1)) == (None, None)
    assert fleet.effective(1) == "60"
    # What the console wants is held back, and nobody takes it for drift.
    assert PendingChange.objects.filter(stage__open=False).count() == 2
    fleet.check()
    fleet.kamailios[0].start()
    assert fleet.effective(0) == "60"


def test_a_port_that_stops_answering_options_is_enough_to_put_everything_back(
    own_stores: Fleet,
) -> None:
    fleet = own_stores
    with Proxy(fleet.kamailios[0].sip_port) as proxy:
        SipServer.objects.filter(name="sip1").update(tcp_port=proxy.port)
        rollout = fleet.step(fleet.change(20))
        (seen,) = fleet.again(rollout).stages.first().gate.values()  # type: ignore[union-attr]
        assert f"TCP {proxy.port}" in seen["before"]["answered"]
        proxy.set(BlackHole())
        rollout = fleet.step(rollout, 2)
        assert rollout.state == State.ROLLED_BACK
        assert f"sip1 does not answer OPTIONS at TCP {proxy.port} any more." in rollout.problem
    assert (fleet.stored(0), fleet.effective(0), fleet.stored(1)) == (None, "60", None)
    fleet.check()


def test_when_clients_of_the_first_server_are_lost_everything_is_put_back(
    own_stores: Fleet,
) -> None:
    fleet = own_stores
    with fleet.register(0):
        rollout = fleet.step(fleet.change(20))
        assert fleet.effective(0) == "20"
        fleet.lose(0, 6)
        rollout = fleet.step(rollout, 2)
    assert rollout.state == State.ROLLED_BACK
    assert "sip1 lost 6 of 10 registrations; at most 20 % may be." in rollout.problem
    assert "1 row put back at store a." in rollout.problem
    assert (fleet.stored(0), fleet.effective(0), fleet.stored(1)) == (None, "60", None)
    fleet.check()


def test_what_was_rolled_back_can_be_started_again_or_given_up(own_stores: Fleet) -> None:
    fleet = own_stores
    rollout = fleet.step(fleet.change(20))
    actions.roll_back(rollout=rollout, reason="wrong day", actor=fleet.actor)
    rollout = fleet.step(rollout)
    assert (rollout.state, fleet.stored(0)) == (State.ROLLED_BACK, None)
    actions.start_again(rollout=rollout, actor=fleet.actor)
    rollout = fleet.step(rollout, 7)
    assert rollout.state == State.DONE
    assert (fleet.stored(0), fleet.stored(1)) == ("20", "20")
    rollout = fleet.step(fleet.change(30))
    actions.cancel(rollout=rollout, reason="not wanted", actor=fleet.actor)
    rollout = fleet.step(rollout)
    assert rollout.state == State.CANCELLED
    assert (fleet.stored(0), fleet.stored(1)) == ("20", "20")
    fleet.check()


def test_changing_it_back_makes_a_new_rollout_and_the_old_one_is_nobody_s_question_any_more(
    own_stores: Fleet,
) -> None:
    fleet = own_stores
    first = fleet.step(fleet.change(20))
    actions.roll_back(rollout=first, reason="wrong", actor=fleet.actor)
    fleet.step(first)
    second = fleet.change(None)
    assert second != first
    second = fleet.step(second, 7)
    assert second.state == State.DONE
    assert not PendingChange.objects.exists()
    fleet.check()


def test_a_paused_rollout_writes_nothing_more_and_a_leaver_is_blocked_all_the_same(
    own_stores: Fleet,
) -> None:
    fleet = own_stores
    rollout = fleet.step(fleet.change(20))
    actions.pause(rollout=rollout, reason="look first", actor=fleet.actor)
    rollout = fleet.step(rollout, 3)
    assert rollout.state == State.PAUSED
    waiting = waiting_at(with_waiting(ConfigStore.objects.all()))
    assert waiting.text == "1 single change; a rollout holds back 1"
    block_account(account=fleet.account, reason="left", actor=fleet.actor)
    for site in fleet.sites:
        site.push()
        assert site.subscribers()["ann@voice.example.com"] == "!"
    assert fleet.stored(1) is None
    actions.resume(rollout=rollout, actor=fleet.actor)
    rollout = fleet.step(rollout, 7)
    assert (rollout.state, fleet.stored(1)) == (State.DONE, "20")
    fleet.check()


def test_a_rollout_does_not_begin_where_the_first_server_is_not_well_already(
    own_stores: Fleet,
) -> None:
    fleet = own_stores
    fleet.kamailios[0].stop()
    rollout = fleet.step(fleet.change(20), 2)
    assert (rollout.state, fleet.stored(0)) == (State.WAITING, None)
    assert "Nothing was changed yet" in rollout.waits
    fleet.kamailios[0].start()
    assert fleet.step(rollout, 7).state == State.DONE


def test_a_full_comparison_leaves_out_what_is_held_back(own_stores: Fleet) -> None:
    fleet = own_stores
    fleet.step(fleet.change(20))
    fleet.push_everything()
    assert (fleet.stored(0), fleet.stored(1)) == ("20", None)


def test_what_is_done_with_a_rollout_is_in_the_audit_log(own_stores: Fleet) -> None:
    fleet = own_stores
    rollout = fleet.step(fleet.change(20))
    actions.pause(rollout=rollout, reason="look first", actor=fleet.actor)
    actions.resume(rollout=rollout, actor=fleet.actor)
    fleet.step(rollout, 7)
    events = AuditEvent.objects.filter(object_type="rollout").order_by("id")
    assert [each.action for each in events] == ["paused", "resumed", "ended as done"]
