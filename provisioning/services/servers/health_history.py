"""What becomes of health checks: one row for each server and interval, for 30 days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Sum
from django.utils import timezone

from provisioning.core.errors import ProvisioningError
from provisioning.core.records import ServerHealth
from provisioning.models import HealthSample, SipServer
from provisioning.services import bulk

Length = HealthSample.Length
KEPT = {Length.SHORT: timedelta(days=2), Length.LONG: timedelta(days=30)}

_TABLE = HealthSample._meta.db_table
_NOTE = f"""
INSERT INTO {_TABLE} (
    server_id, seconds, at, checks, failures, latency_total, latency_most, registrations,
    memory_percent, connections
) VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s, %s)
ON CONFLICT (server_id, seconds, at) DO UPDATE SET
    checks = {_TABLE}.checks + 1,
    failures = {_TABLE}.failures + excluded.failures,
    latency_total = {_TABLE}.latency_total + excluded.latency_total,
    latency_most = CASE WHEN excluded.latency_most > {_TABLE}.latency_most
        THEN excluded.latency_most ELSE {_TABLE}.latency_most END,
    registrations = COALESCE(excluded.registrations, {_TABLE}.registrations),
    memory_percent = CASE WHEN excluded.memory_percent < {_TABLE}.memory_percent
        THEN {_TABLE}.memory_percent ELSE
        COALESCE(excluded.memory_percent, {_TABLE}.memory_percent) END,
    connections = CASE WHEN excluded.connections < {_TABLE}.connections
        THEN {_TABLE}.connections ELSE COALESCE(excluded.connections, {_TABLE}.connections) END
"""  # noqa: S608
# What one call deletes at the most.
_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Reach:
    """How often a server answered: `percent` is None where it was never asked."""

    checks: int
    failures: int

    @property
    def percent(self) -> float | None:
        """Of a hundred checks, those that were answered."""
        return 100 * (self.checks - self.failures) / self.checks if self.checks else None


def note(
    *, servers: Sequence[SipServer], answers: Sequence[ServerHealth | ProvisioningError]
) -> None:
    """Count one check of each server in its intervals."""
    now = int(timezone.now().timestamp())
    bulk.execute_many(
        _NOTE,
        [
            (server.pk, length, _start(now, length), *_columns(answer))
            for length in Length.values
            for server, answer in sorted(
                zip(servers, answers, strict=True), key=lambda pair: pair[0].pk
            )
        ],
    )


def history_of(*, server: SipServer, since: datetime) -> list[HealthSample]:
    """The samples of a server since then: short ones where they reach that far back."""
    length = _length(since)
    samples = HealthSample.objects.filter(server=server, seconds=length, at__gte=since)
    return list(samples.order_by("at"))


def reach_of(*, samples: Sequence[HealthSample]) -> Reach:
    """How often the server answered in all of them."""
    return Reach(sum(each.checks for each in samples), sum(each.failures for each in samples))


def registrations_since(*, since: datetime) -> list[tuple[datetime, int | None]]:
    """How many were registered at all servers together, interval by interval.

    None where a server that counts registrations at other times did not say: a sum without it
    would look like a loss.
    """
    samples = HealthSample.objects.filter(
        seconds=_length(since), at__gte=since, server__enabled=True
    )
    rows = list(
        samples.order_by("at")
        .values_list("at")
        .annotate(total=Sum("registrations"), servers=Count("registrations"))
    )
    counting = max((servers for *_, servers in rows), default=0)
    return [(at, total if servers == counting else None) for at, total, servers in rows]


def without_gaps(
    points: Sequence[tuple[datetime, float | None]], length: int
) -> Iterator[tuple[datetime, float | None]]:
    """The same with a None wherever an interval is missing in between."""
    before: datetime | None = None
    for at, value in points:
        if before is not None and at - before > timedelta(seconds=1.5 * length):
            yield before + timedelta(seconds=length), None
        yield at, value
        before = at


def length_of(since: datetime) -> int:
    """Seconds of an interval in a history that begins then."""
    return int(_length(since))


def forget_old() -> int:
    """Delete samples that are older than they are kept; how many. The next call goes on."""
    forgotten = 0
    for length, kept in KEPT.items():
        old = HealthSample.objects.filter(seconds=length, at__lt=timezone.now() - kept)
        ids = list(old.values_list("pk", flat=True)[:_ROWS])
        HealthSample.objects.filter(pk__in=bulk.among_numbers(ids)).delete()
        forgotten += len(ids)
    return forgotten


def _length(since: datetime) -> HealthSample.Length:
    reaches = timezone.now() - KEPT[Length.SHORT] <= since
    return Length.SHORT if reaches else Length.LONG


def _start(now: int, length: int) -> object:
    return bulk.moment(datetime.fromtimestamp(now - now % length, UTC))


def _columns(answer: ServerHealth | ProvisioningError) -> tuple[float | None, ...]:
    if isinstance(answer, ProvisioningError):
        return 1, 0, 0, None, None, None
    return (
        0, answer.latency_ms, answer.latency_ms, answer.registrations, answer.memory_percent,
        answer.connections,
    )  # fmt: skip
