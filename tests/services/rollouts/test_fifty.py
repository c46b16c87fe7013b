"""Stages of fifty servers, each with a store of its own: no statement for each of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from lab.ports import HOST, free_port
from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import PendingChange, Rollout, ServerPool, SipServer
from provisioning.services.actor import Actor
from provisioning.services.rollouts.advance import advance
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests.factories import make_pool, make_store

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def pool_of(count: int) -> ServerPool:
    """Servers of which none answers, in stages."""
    pool, silent = make_pool(f"{count} servers"), free_port()
    ServerPool.objects.filter(pk=pool.pk).update(staged=True)
    for number in range(count):
        name = f"{number:02} of {count}"
        store = make_store(name=name, pool=pool, dialect="sqlite", database="none.db")
        SipServer.objects.create(
            name=f"sip{name}", pool=pool, store=store, sip_host=HOST,
            tls_port=None, tcp_port=silent, rpc_url=f"http://{HOST}:{silent}/RPC",
        )  # fmt: skip
    return ServerPool.objects.get(pk=pool.pk)


def counted(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        act()
    return len(queries)


def test_a_change_a_step_and_a_page_take_as_many_statements_as_with_five(
    actor: Actor, as_helpdesk: Client
) -> None:
    costs = []
    for count in (5, 50):
        pool = pool_of(count)

        place = Place(SettingScope.POOL, pool)
        change = partial(set_value, place=place, setting=CATALOGUE["min_expires"], value=20)
        cost = {"change": counted(partial(change, actor=actor))}
        rollout = Rollout.objects.get(pool=pool)
        last = rollout.stages.reverse()[0]
        assert PendingChange.objects.filter(stage=last).count() == count - 1
        cost["first step"] = counted(partial(advance, rollout_id=rollout.pk))
        rollout.stages.exclude(pk=last.pk).update(state="passed", open=True)
        Rollout.objects.update(state="running", not_before=None)
        cost["step of the rest"] = counted(partial(advance, rollout_id=rollout.pk))
        rollout.refresh_from_db()
        assert f"sip01 of {count} does not answer" in rollout.waits
        for name, args in (("rollout", [rollout.pk]), ("rollout-progress", [rollout.pk]),
                           ("rollouts", []), ("pool", [pool.pk])):  # fmt: skip
            address = reverse(name, args=args)
            as_helpdesk.get(address)
            cost[name] = counted(partial(as_helpdesk.get, address))
        costs.append(cost)
    assert costs[0] == costs[1]
