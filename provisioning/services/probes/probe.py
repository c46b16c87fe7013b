"""Probing a server: one at a time, by a lease; what was found is kept, and what is due found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from provisioning.core.errors import Busy, InvalidInput
from provisioning.core.states import State
from provisioning.models import (
    ConfigStore,
    PendingChange,
    ProbeAccount,
    ProbeResult,
    RowImages,
    ServerProbe,
    SipServer,
)
from provisioning.services import leases, wake
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.probes.accounts import check_set_up
from provisioning.services.probes.conversation import Talk, converse
from provisioning.services.probes.facts import gather
from provisioning.services.servers.maintenance import MAINTAINED

log = structlog.stdlib.get_logger(__name__)


def request_probe(*, server: SipServer, actor: Actor) -> None:
    """Let a worker probe a server as soon as it can; raises InvalidInput where that cannot be."""
    _check(server)
    with transaction.atomic():
        ServerProbe.objects.update_or_create(server=server, defaults={"wanted": True})
        audit.record(actor=actor, action="asked for a probe of", obj=server)
        wake.probe_server(server_id=server.pk)


def probe_server(*, server: SipServer) -> Talk:
    """Probe a server now and keep what is found; what goes wrong with it is kept as well.

    Raises Busy where somebody else is at it, InvalidInput where it cannot be probed as it is set
    up. Nothing is locked while the server is asked.
    """
    _check(server)
    ServerProbe.objects.get_or_create(server=server)
    row = ServerProbe.objects.filter(server=server)
    owner = leases.new_owner()
    if not leases.claim(row, owner, settings.PROBE_PATIENCE + 30):
        raise Busy(f"{server} is being probed already.")
    try:
        seen = _newest_push()
        facts = gather(server)
        talk = converse(
            facts,
            connect_timeout=settings.SERVER_CONNECT_TIMEOUT,
            timeout=settings.PROBE_TIMEOUT,
            patience=settings.PROBE_PATIENCE,
        )
        _keep(server, talk, seen)
    finally:
        leases.release(row, owner)
    return talk


def request_due() -> None:
    """Wake a worker for every server whose turn it is."""
    for server in due_servers():
        wake.probe_server(server_id=server.pk)


def due_servers() -> list[SipServer]:
    """Those that were asked for, those of which something was pushed since, and those in turn."""
    servers = list(_probed_servers())
    probes = ServerProbe.objects.in_bulk([server.pk for server in servers])
    pushed = _pushed_since(min((each.seen for each in probes.values()), default=0))
    moving = PendingChange.objects.filter(dead=False).order_by()
    waiting = set(moving.values_list("store_id", flat=True).distinct())
    return [
        server
        for server in servers
        if _is_due(
            probes.get(server.pk),
            pushed=pushed.get(server.store_id, 0),
            still=server.store_id in waiting or bool(server.reload_pending),
        )
    ]


def _is_due(probe: ServerProbe | None, *, pushed: int, still: bool) -> bool:
    """`pushed` is the newest push to its store; `still` that another one is under way."""
    now = timezone.now()
    if probe is None:
        return not still
    if probe.lease_until is not None and probe.lease_until > now:
        return False
    if probe.wanted or probe.at is None:
        return probe.wanted or not still
    rested = (now - probe.at).total_seconds()
    if (pushed > probe.seen or not probe.transport) and not still:
        return rested >= settings.PROBE_PAUSE
    return rested >= settings.PROBE_EVERY


def _probed_servers() -> QuerySet[SipServer]:
    pools = ProbeAccount.objects.filter(account__state=State.ACTIVE).values("account__pool")
    servers = SipServer.objects.filter(
        enabled=True, store__mode=ConfigStore.Mode.MANAGE, pool__in=pools
    )
    down = Q(health=SipServer.Health.DOWN) | MAINTAINED
    return servers.exclude(down).select_related("store", "pool")


def _check(server: SipServer) -> None:
    if not server.enabled:
        raise InvalidInput(f"{server} is not in use. Nothing was sent.")
    if server.store.mode != ConfigStore.Mode.MANAGE:
        raise InvalidInput(
            f"“{server.store}” is observed, not managed: nothing there is the console's own that a "
            "probe could prove. Nothing was sent."
        )
    check_set_up(server.pool)


def _newest_push() -> int:
    return RowImages.objects.aggregate(newest=Max("pk"))["newest"] or 0


def _pushed_since(seen: int) -> dict[int, int]:
    """The newest push of each store, after one that every server was probed after."""
    newer = RowImages.objects.filter(pk__gt=seen).order_by()
    return dict(newer.values_list("record__store").annotate(newest=Max("pk")))


def _keep(server: SipServer, talk: Talk, seen: int) -> None:
    """Replace what was found before; where nobody answers, the old answers stay."""
    now = timezone.now()
    with transaction.atomic():
        ServerProbe.objects.filter(server=server).update(
            wanted=False, at=now, seen=seen, transport=talk.transport, problem=talk.problem
        )
        if not talk.transport:
            log.warning("not probed", server=server.name, problem=talk.problem)
            return
        ProbeResult.objects.filter(server=server).delete()
        ProbeResult.objects.bulk_create(_rows(server, talk, seen, now))
    wrong = [f for f in talk.findings if f.verdict.outcome is ProbeResult.Outcome.INEFFECTIVE]
    for finding in wrong:
        log.warning(
            "not effective", server=server.name, kind=finding.kind.value, key=finding.key,
            sent=finding.verdict.sent, expected=finding.verdict.expected, got=finding.verdict.got,
        )  # fmt: skip


def _rows(server: SipServer, talk: Talk, seen: int, now: datetime) -> Sequence[ProbeResult]:
    return [
        ProbeResult(
            server=server, kind=each.kind.value, key=each.key[:64], outcome=each.verdict.outcome,
            sent=each.verdict.sent[:200], expected=each.verdict.expected[:200],
            got=each.verdict.got[:300], seen=seen, at=now,
        )
        for each in talk.findings
    ]  # fmt: skip
