"""Provisioning links that are asked for in vain: counted by where that comes from, never by token.

A guesser finds no link of 256 random bits, but somebody who tries should be noticed. What is kept
is bounded, whoever asks: up to some count of one network, and up to some networks, in an interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.db.models import Min, Sum
from django.utils import timezone

from provisioning.models import RefusedFetches
from provisioning.services import bulk

_INTERVAL = 300
WINDOW = timedelta(minutes=15)
# Of one network in an interval; it counts as "at least" from there on.
MOST_OF_ONE = 200
_MOST_NETWORKS = 500

_TABLE = RefusedFetches._meta.db_table
_COUNT = f"""
INSERT INTO {_TABLE} (network, since, count) VALUES (%s, %s, 1)
ON CONFLICT (since, network) DO UPDATE SET count = {_TABLE}.count + 1
WHERE {_TABLE}.count < {MOST_OF_ONE}
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Refused:
    """What the last 15 minutes had: (network, how many) of those with most, and all together."""

    networks: tuple[tuple[str, int], ...] = ()
    total: int = 0
    since: datetime | None = None


def count_refused(*, address: str) -> None:
    """Count one link that was asked for from `address` and not handed out."""
    seconds = int(timezone.now().timestamp())
    since = datetime.fromtimestamp(seconds - seconds % _INTERVAL, UTC)
    network = _network(address)
    rows = RefusedFetches.objects.filter(since=since)
    mine = rows.filter(network=network).values_list("count", flat=True).first()
    if mine is None and rows.count() >= _MOST_NETWORKS:
        network = ""
    if mine is None or mine < MOST_OF_ONE:
        bulk.execute(_COUNT, [network, bulk.moment(since)])


def find_refused() -> Refused:
    """Those of the last 15 minutes."""
    since = timezone.now() - WINDOW
    rows = RefusedFetches.objects.filter(since__gt=since)
    counted = rows.values("network").annotate(total=Sum("count"), first=Min("since"))
    found = list(counted.order_by("-total", "network"))
    return Refused(
        tuple((row["network"], row["total"]) for row in found if row["network"]),
        sum(row["total"] for row in found),
        min((row["first"] for row in found), default=None),
    )


def forget_refused() -> None:
    """Forget counts that nobody asks for any more."""
    RefusedFetches.objects.filter(since__lte=timezone.now() - 2 * WINDOW).delete()


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
