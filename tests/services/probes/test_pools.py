"""Probes of whether a server asks the other pools, between two real Kamailios."""

from __future__ import annotations

import pytest

from provisioning.models import Account, ProbeResult, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.probes.accounts import set_up_probes
from provisioning.services.probes.probe import probe_server
from tests.lab.fixtures import authority
from tests.push_site import cluster, new_kamailio, new_lab, new_site, quick
from tests.services.routing.pools import Pools, pools

__all__ = ["authority", "cluster", "new_kamailio", "new_lab", "new_site", "pools", "quick"]
pytestmark = pytest.mark.django_db


def probe(pools: Pools) -> ProbeResult:
    """What is found of the servers of other pools, at the first."""
    server = pools.servers[0]
    SipServer.objects.filter(pk=server.pk).update(tls_port=None)
    probe_server(server=SipServer.objects.get(pk=server.pk))
    return ProbeResult.objects.get(server=server, kind="pool_server")


def test_other_pools_that_are_asked_are_proved_and_those_that_are_not_are_found(
    pools: Pools,
) -> None:
    first, second = pools.sites
    set_up_probes(pool=first.store.pool, actor=COMMAND_LINE)
    # What takes two seconds is tried elsewhere.
    Account.objects.filter(probe__role="away").update(state="removed")
    pools.push()
    found = probe(pools)
    assert (found.outcome, found.got[:27]) == ("untried", "No other pool that answers ")

    set_up_probes(pool=second.store.pool, actor=COMMAND_LINE)
    pools.push()
    found = probe(pools)
    assert (found.outcome, found.got) == ("effective", "480 Temporarily Unavailable")
    assert "London" in found.sent

    first.execute("UPDATE dispatcher SET setid = 7 WHERE setid = 1000000000")
    pools.kamailios[0].rpc("dispatcher.reload")
    found = probe(pools)
    assert (found.outcome, found.got) == ("ineffective", "404 Not Found")
    first.execute("UPDATE dispatcher SET setid = 1000000000 WHERE setid = 7")
    pools.kamailios[0].rpc("dispatcher.reload")

    # That the other pool does not believe it says nothing of this server; nor that it is down.
    second.execute("DELETE FROM dispatcher WHERE setid = 1000000000")
    pools.kamailios[1].rpc("dispatcher.reload")
    found = probe(pools)
    assert (found.outcome, found.got[:15]) == ("untried", "It answers 503 ")
    SipServer.objects.filter(pk=pools.servers[1].pk).update(health="down")
    assert "No other pool that answers" in probe(pools).got
