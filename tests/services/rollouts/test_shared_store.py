"""Stages where servers share a store: what is written once takes effect server by server."""

from __future__ import annotations

import pytest

from provisioning.models import Rollout, RolloutStage
from provisioning.services.accounts.blocks import block_account
from provisioning.services.push import outbox
from provisioning.services.rollouts import actions
from tests.services.rollouts.fleet import Fleet

pytestmark = pytest.mark.django_db

State, StageState = Rollout.State, RolloutStage.State


def test_the_second_server_reloads_only_when_the_first_was_watched(shared_store: Fleet) -> None:
    fleet = shared_store
    rollout = fleet.step(fleet.change(20))
    assert fleet.stored(0) == "20"
    assert (fleet.effective(0), fleet.effective(1)) == ("20", "60")
    rollout = fleet.step(rollout, 2)
    assert (rollout.state, fleet.effective(1)) == (State.RUNNING, "60")
    rollout = fleet.step(rollout, 4)
    assert (rollout.state, fleet.effective(1)) == (State.DONE, "20")
    fleet.check()


def test_another_push_to_the_store_does_not_reload_the_second_server_meanwhile(
    shared_store: Fleet,
) -> None:
    fleet = shared_store
    rollout = fleet.step(fleet.change(20))
    actions.pause(rollout=rollout, reason="look", actor=fleet.actor)
    block_account(account=fleet.account, reason="left", actor=fleet.actor)
    assert fleet.sites[0].push().changed == 1
    fleet.push_everything()
    assert fleet.effective_of(fleet.others[0], 1) == "60"
    actions.resume(rollout=rollout, actor=fleet.actor)
    assert fleet.step(rollout, 7).state == State.DONE
    assert fleet.effective_of(fleet.others[0], 1) == "20"


def test_when_the_second_server_suffers_the_first_goes_back_too(shared_store: Fleet) -> None:
    fleet = shared_store
    with fleet.register(1):
        rollout = fleet.step(fleet.change(20), 4)
        assert [stage.state for stage in rollout.stages.all()] == ["passed", "writing"]
        assert fleet.effective(1) == "20"
        fleet.lose(1, 6)
        rollout = fleet.step(rollout, 2)
    assert rollout.state == State.ROLLED_BACK
    assert "sip2 lost 6 of 10 registrations" in rollout.problem
    assert [stage.state for stage in rollout.stages.all()] == ["put back", "failed"]
    assert (fleet.stored(0), fleet.effective(0), fleet.effective(1)) == (None, "60", "60")
    assert not outbox.pending(store_id=fleet.sites[0].store.pk).exists()
    fleet.check()
