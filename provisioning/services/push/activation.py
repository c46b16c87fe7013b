"""Making rows take effect: reloads and the end of registrations, at all servers of a store at once.

A server that does not answer costs the others nothing: it is asked in a thread of its own, and
counts as down until a health check says otherwise. Until then nobody waits for it, nor for one that
does not let the console in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet

from provisioning.core.errors import AccessRefused, ProvisioningError, Rejected, Unreachable
from provisioning.drivers.base import Kind, ServerDriver
from provisioning.models import ConfigStore, Rollout, RolloutStage, SipServer
from provisioning.services import leases
from provisioning.services.servers.driver_access import ask_servers
from provisioning.services.servers.maintenance import MAINTAINED
from provisioning.services.servers.servers import note_failure

log = structlog.stdlib.get_logger(__name__)

_LEFT_OVER = "Refused from now on, but a registration may still be alive at {}: {}"
_DOWN = "it is out of reach or in maintenance, and is asked as soon as that is over."
_OUT_OF_REACH = (Unreachable, AccessRefused)
# What goes server by server, where servers share a store and a rollout changes it.
STAGED = frozenset(
    {
        Kind.TRUSTED_HOST, Kind.GATEWAY, Kind.POOL_SERVER, Kind.TRUNK, Kind.ROUTE, Kind.DIAL_RULE,
        Kind.SETTING,
    }
)  # fmt: skip

Work = Callable[[ServerDriver], None]


@dataclass(slots=True)
class LeftOver:
    """Addresses-of-record whose registrations could not be ended everywhere, with the reason.

    `waiting` are those of servers out of reach now; `refused` were refused by a server.
    """

    waiting: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def note_reloads(*, store: ConfigStore, kinds: Collection[Kind]) -> None:
    """Note that every server of `store` has to reload `kinds`, in the caller's transaction."""
    if not kinds:
        return
    for server in SipServer.objects.select_for_update().filter(store=store).order_by("pk"):
        wanted = sorted({*server.reload_pending, *(kind.value for kind in kinds)})
        SipServer.objects.filter(pk=server.pk).update(reload_pending=wanted)


def reloads_pending(*, store_id: int | None = None) -> QuerySet[SipServer]:
    """Enabled servers, of one store or of all, that have to reload something and can."""
    servers = (
        SipServer.objects.filter(enabled=True).exclude(reload_pending=[]).exclude(_is_left_alone())
    )
    return servers if store_id is None else servers.filter(store_id=store_id)


def activate_servers(*, store: ConfigStore) -> None:
    """Reload what was noted, at every server of `store` that can.

    Where that fails for a kind its note stays: "written, reload pending". Only the reload is tried
    again; the other kinds take effect all the same. So it stays where a rollout has not come to the
    server yet.
    """
    servers = list(reloads_pending(store_id=store.pk).select_related("store"))
    later = _of_later_stages(store)
    waiting = [[kind for kind in each.reload_pending if each.pk in later and kind in STAGED]
               for each in servers]  # fmt: skip
    to_do = [
        [kind for kind in server.reload_pending if kind not in held]
        for server, held in zip(servers, waiting, strict=True)
    ]
    asked = _ask_all(servers, [_reload_all(kinds) for kinds in to_do])
    for (server, error), undone, held in zip(asked, to_do, waiting, strict=True):
        SipServer.objects.filter(pk=server.pk).update(
            reload_pending=sorted([*undone, *held]),
            reload_problem=_refusal(error),
        )
        if error is not None:
            log.warning("reload pending", server=server.name, kinds=undone, reason=error.message)


def end_registrations(*, store: ConfigStore, aors: Sequence[str], seconds: float) -> LeftOver:
    """End what is registered for `aors` at every server of `store`, within so many seconds."""
    left = LeftOver()
    if not aors:
        return left
    servers = SipServer.objects.filter(store=store, enabled=True).order_by("name")
    for server in servers.filter(_is_left_alone()):
        left.waiting |= dict.fromkeys(aors, _LEFT_OVER.format(server, _DOWN))
    asked = list(servers.exclude(_is_left_alone()).select_related("store"))
    to_do = [list(aors) for _ in asked]
    until = time.monotonic() + seconds
    works = [_end_all(each, until) for each in to_do]
    for (server, error), undone in zip(_ask_all(asked, works), to_do, strict=True):
        if error is not None:
            log.warning("registrations left over", server=server.name, count=len(undone),
                        reason=error.message)  # fmt: skip
            out_of_reach = isinstance(error, _OUT_OF_REACH)
            which = left.waiting if out_of_reach or error.retry else left.refused
            which |= dict.fromkeys(undone, _LEFT_OVER.format(server, error.message))
    return left


def _of_later_stages(store: ConfigStore) -> set[int]:
    """The servers of a store to which a rollout of settings and routes has not come yet."""
    stages = RolloutStage.objects.filter(
        open=False,
        state=RolloutStage.State.WAITING,
        servers__store=store,
        rollout__what=Rollout.What.CONFIGURATION,
        rollout__state__in=(Rollout.State.RUNNING, Rollout.State.PAUSED),
    )
    return set(stages.values_list("servers", flat=True))


def _refusal(error: ProvisioningError | None) -> str:
    """Why a server that lets the console in did not do what it was asked."""
    refused = isinstance(error, Rejected) and not isinstance(error, AccessRefused)
    return error.message if error is not None and refused else ""


def _is_left_alone() -> Q:
    """In maintenance, or down or refusing by a health check that is not too old to count."""
    since = leases.until(-3 * settings.HEALTH_EVERY)
    return MAINTAINED | Q(health__in=SipServer.Health.out_of_reach(), checked_at__gt=since)


def _reload_all(kinds: list[str]) -> Work:
    """Takes from `kinds` those that the server has reloaded."""

    def work(driver: ServerDriver) -> None:
        refusal: Rejected | None = None
        for name in list(kinds):
            try:
                driver.activate([Kind(name)])
                kinds.remove(name)
            except Rejected as error:
                refusal = error
        if refusal is not None:
            raise refusal

    return work


def _end_all(aors: list[str], until: float) -> Work:
    """Takes from `aors` whoever has no registration any more."""

    def work(driver: ServerDriver) -> None:
        while aors:
            if time.monotonic() > until:
                raise Unreachable("It answers, but too slowly for so many at once.")
            driver.end_registration(aors[-1])
            aors.pop()

    return work


def _ask_all(
    servers: Sequence[SipServer], works: Sequence[Work]
) -> list[tuple[SipServer, ProvisioningError | None]]:
    """Do its work at each server; the error of those where it failed."""
    errors = ask_servers(servers, works)
    for server, error in zip(servers, errors, strict=True):
        if isinstance(error, _OUT_OF_REACH):
            note_failure(server=server, error=error)
    return list(zip(servers, errors, strict=True))
