"""Where each kind of rows stands at each SIP server; what no probe has proved is never green."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Exists, Max, OuterRef, Q

from provisioning.drivers.base import Kind
from provisioning.drivers.registry import DRIVERS
from provisioning.models import (
    ConfigStore,
    Drift,
    OwnedRow,
    PendingChange,
    ProbeResult,
    RowImages,
    SipServer,
)
from provisioning.services.routing.probe_routes import OF_PROBES

_Outcome = ProbeResult.Outcome
# Kinds with a row for each account: counting them takes long.
_MANY = frozenset({Kind.SUBSCRIBER.value, Kind.ALIAS.value, Kind.PREFERENCE.value})
_HELD = "A rollout holds it back: see Changes."
_AGAIN = "Pushed again since it was proved. The next probe follows."


@dataclass(frozen=True, slots=True)
class Standing:
    """One kind at one server: `word` is a status; `why` it is no better.

    `rows` are how many stand in its store, 0 where there may be one for each account.

    The words: unsupported (the server has no place for it), observe (its store is not written),
    failed, pending (not written, or not reloaded), ineffective (a probe found something else),
    effective (probes proved all of it, the first of them `at`), unproven (written and loaded),
    nothing.
    """

    kind: Kind
    word: str
    rows: int = 0
    why: str = ""
    at: datetime | None = None
    results: Sequence[ProbeResult] = ()


@dataclass(frozen=True, slots=True)
class AtServer:
    """Some kinds at one server."""

    server: SipServer
    kinds: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Changes of a kind that a store has not got: how many were given up or held, and why."""

    given_up: int
    held: int
    why: str | None
    problem: str


@dataclass(slots=True)
class _Known:
    """What was read of all servers at once, by store or server, and kind."""

    owned: dict[tuple[int, str], int]
    pending: dict[tuple[int, str], _Waiting]
    differing: dict[tuple[int, str], int]
    results: dict[tuple[int, str], list[ProbeResult]] = field(default_factory=dict)
    pushed: dict[tuple[int, str], int] = field(default_factory=dict)


def standing_at_servers(kinds: Sequence[Kind]) -> list[AtServer]:
    """Every enabled SIP server with the standing of these kinds, in six queries."""
    servers = SipServer.objects.filter(enabled=True).select_related("store", "pool")
    return _standing_at(list(servers.order_by("pool__name", "name")), kinds)


def standing_at(server: SipServer) -> tuple[Standing, ...]:
    """All kinds at one server."""
    return _standing_at([server], list(Kind))[0].kinds


def _standing_at(servers: Sequence[SipServer], kinds: Sequence[Kind]) -> list[AtServer]:
    known = _read(servers, kinds)
    return [
        AtServer(server, tuple(_standing(server, kind, known) for kind in kinds))
        for server in servers
    ]


def _read(servers: Sequence[SipServer], kinds: Sequence[Kind]) -> _Known:
    stores, names = [server.store_id for server in servers], [kind.value for kind in kinds]
    drift = Drift.objects.filter(store__in=stores, kind__in=names).order_by()
    counted = drift.values_list("store", "kind").annotate(Count("pk"))
    known = _Known(
        _rows_there(stores, names), {}, {(store, kind): count for store, kind, count in counted}
    )
    waiting = PendingChange.objects.filter(store__in=stores, kind__in=names).order_by()
    given_up = Q(dead=True)
    # Of several one that was given up speaks for all.
    for store, kind, *told in waiting.values_list("store", "kind").annotate(
        left=Count("pk", filter=given_up),
        held=Count("pk", filter=Q(stage__open=False)),
        said=Max("problem", filter=given_up),
        any_said=Max("problem"),
    ):
        known.pending[store, kind] = _Waiting(*told)
    found = ProbeResult.objects.filter(server__in=list(servers), kind__in=names)
    for result in found.order_by("key"):
        known.results.setdefault((result.server_id, result.kind), []).append(result)
    seen = [each.seen for several in known.results.values() for each in several]
    if seen:
        newer = RowImages.objects.filter(pk__gt=min(seen), record__store__in=stores, kind__in=names)
        rows = newer.order_by().values_list("record__store", "kind").annotate(newest=Max("pk"))
        known.pushed = {(store, kind): newest for store, kind, newest in rows}
    return known


def _rows_there(stores: Sequence[int], names: Sequence[str]) -> dict[tuple[int, str], int]:
    """How many rows stand at each store, without those of probes.

    Of kinds of which there may be many only whether there are any.
    """
    few, many = set(names) - _MANY, _MANY & set(names)
    counted = OwnedRow.objects.filter(store__in=stores, kind__in=few).order_by()
    counted = counted.exclude(OF_PROBES)
    found = {
        (store, kind): count
        for store, kind, count in counted.values_list("store", "kind").annotate(Count("pk"))
    }
    for kind in sorted(many):
        rows = OwnedRow.objects.filter(store=OuterRef("pk"), kind=kind)
        there = ConfigStore.objects.filter(Exists(rows), pk__in=stores)
        found.update(((pk, kind), 0) for pk in there.values_list("pk", flat=True))
    return found


def _standing(server: SipServer, kind: Kind, known: _Known) -> Standing:
    store = server.store
    place = (store.pk, kind.value)
    rows, change = known.owned.get(place, 0), known.pending.get(place)
    if kind in DRIVERS[store.driver].unsupported:
        return Standing(kind, "unsupported")
    if store.mode != ConfigStore.Mode.MANAGE:
        return Standing(kind, "observe", rows)
    if change is not None:
        word = "failed" if change.given_up else "pending"
        held = _HELD if change.held else ""
        return Standing(kind, word, rows, change.why or change.problem or held)
    if kind.value in server.reload_pending:
        why = server.reload_problem or "Written; the server has not reloaded it yet."
        return Standing(kind, "pending", rows, why)
    if place not in known.owned:
        return Standing(kind, "nothing")
    results = known.results.get((server.pk, kind.value), ())
    word, why, at = _proved(results, known.pushed.get(place, 0))
    if word == "effective" and (count := known.differing.get(place)):
        differ = "row differs" if count == 1 else "rows differ"
        word, why, at = (
            "unproven",
            f"{count:,} {differ} there from what is wanted: see Drift.",
            None,
        )
    return Standing(kind, word, rows, why, at, results)


def _proved(results: Sequence[ProbeResult], pushed: int) -> tuple[str, str, datetime | None]:
    """What probes say: the worst of what they found. A failure stays until a probe disproves it."""
    first = {each.outcome: each for each in reversed(results)}
    if wrong := first.get(_Outcome.INEFFECTIVE):
        return "ineffective", wrong.told, wrong.at
    left = first.get(_Outcome.UNTRIED)
    if _Outcome.EFFECTIVE not in first:
        return "unproven", left.got if left else "", None
    if any(each.seen < pushed for each in results):
        return "unproven", _AGAIN, None
    if left:
        return "unproven", f"Not all of it is proved. {left.name}: {left.got}", None
    return "effective", "", min(each.at for each in results)
