"""What conditions are found in: servers, stores, sources and runs as they are now, read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Avg, Count
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import (
    Account,
    AlertChannel,
    ConfigStore,
    ContactList,
    DirectorySource,
    HealthSample,
    Person,
    ProbeResult,
    Rollout,
    Run,
    SipServer,
)
from provisioning.services.clients.refused_fetches import Refused, find_refused
from provisioning.services.directory.source_standing import with_newest_run
from provisioning.services.push.waiting import with_waiting
from provisioning.services.rollouts.standing import undecided

# Runs that wait; more of them tell nothing more.
_RUNS = 50


@dataclass(frozen=True, slots=True)
class Watched:
    """Everything that may be wrong, by noun.

    `homed` counts active accounts by pool, of pools with a server that is down; `usual` is how many
    registrations each server had in the hour before now, on average; `ineffective` is what probes
    disproved at each server, `refused` are provisioning links that were asked for in vain.
    """

    servers: list[SipServer]
    stores: list[ConfigStore]
    sources: list[DirectorySource]
    runs: list[Run]
    conflicts: int
    lists: list[ContactList]
    channels: list[AlertChannel]
    rollouts: list[Rollout] = field(default_factory=list)
    homed: dict[int, int] = field(default_factory=dict)
    usual: dict[int, float] = field(default_factory=dict)
    ineffective: dict[int, list[ProbeResult]] = field(default_factory=dict)
    refused: Refused = field(default_factory=Refused)


def watch() -> Watched:
    """Read it; about ten queries, whatever the number of people and accounts."""
    servers = list(SipServer.objects.select_related("pool").order_by("name"))
    waiting = Run.objects.filter(state=Run.State.WAITING).select_related("source")
    return Watched(
        servers=servers,
        stores=list(with_waiting(ConfigStore.objects.select_related("pool").order_by("name"))),
        sources=list(with_newest_run(DirectorySource.objects.order_by("name"))),
        runs=list(waiting.order_by("-id")[:_RUNS]),
        conflicts=Person.objects.exclude(problem="").count(),
        lists=list(ContactList.objects.select_related("store__pool").order_by("store__name")),
        rollouts=list(undecided().select_related("pool")[:_RUNS]),
        channels=list(AlertChannel.objects.filter(enabled=True).exclude(problem="")),
        homed=_homed(servers),
        usual=_usual(),
        ineffective=_ineffective(),
        refused=find_refused(),
    )


def is_down(server: SipServer) -> bool:
    """Whether a server that is in use does not answer."""
    return server.enabled and server.health == SipServer.Health.DOWN


def _homed(servers: list[SipServer]) -> dict[int, int]:
    pools = {server.pool_id for server in servers if is_down(server)}
    if not pools:
        return {}
    active = Account.objects.filter(pool__in=pools, state=State.ACTIVE).order_by()
    return dict(active.values_list("pool").annotate(count=Count("pk")))


def _ineffective() -> dict[int, list[ProbeResult]]:
    wrong = ProbeResult.objects.filter(outcome=ProbeResult.Outcome.INEFFECTIVE)
    found: dict[int, list[ProbeResult]] = {}
    for result in wrong.order_by("server", "kind", "key"):
        found.setdefault(result.server_id, []).append(result)
    return found


def _usual() -> dict[int, float]:
    now = timezone.now()
    samples = HealthSample.objects.filter(
        seconds=HealthSample.Length.SHORT,
        at__gte=now - timedelta(minutes=70),
        at__lt=now - timedelta(minutes=10),
    ).exclude(registrations=None)
    return dict(samples.order_by().values_list("server").annotate(usual=Avg("registrations")))
