"""Whether a store's registrations are all there are: what its servers count, against its rows."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone

from provisioning.models import ConfigStore, RegisteredContact, SipServer

# Clients come and go between a count and a look; below so many nothing is concluded.
_SLACK = 20


def is_live() -> Q:
    """Contacts that have not ended since their store was read."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())


def doubt_of(*, store: ConfigStore) -> str:
    """Why the rows of `store` are not who is registered; empty where nothing speaks against them.

    Servers that share a store count all of it each, or their own clients only: the truth lies
    between the largest count and the sum.
    """
    counts = _counts(store)
    if not counts:
        return ""
    rows = RegisteredContact.objects.filter(is_live(), store=store)
    held = rows.aggregate(held=Count("aor", distinct=True))["held"]
    server, most = max(counts.items(), key=lambda item: item[1])
    if most and (not held or held < most / 2 - _SLACK):
        return (
            f"{server} counts {most:,} registered addresses, but {store} holds {held:,}. It keeps "
            "them in memory, or in another place (usrloc db_mode 0, or DMQ). Let its usrloc write "
            "through (db_mode 1), or look at single accounts: those are asked of the server."
        )
    # Whoever registered after the servers had counted speaks against no count.
    counted = SipServer.objects.filter(store=store, enabled=True).aggregate(at=Min("checked_at"))
    known = rows.filter(since__lte=counted["at"]).aggregate(held=Count("aor", distinct=True))
    if known["held"] > 2 * sum(counts.values()) + _SLACK:
        return (
            f"{store} holds {known['held']:,} registered addresses, but its servers count "
            f"{sum(counts.values()):,}. The table is left over from before; nobody writes it now."
        )
    return ""


def _counts(store: ConfigStore) -> dict[str, int]:
    """What each server of the store counts; of none where one has not said so lately."""
    since = timezone.now() - timedelta(seconds=3 * settings.HEALTH_EVERY)
    counts = {}
    for server in SipServer.objects.filter(store=store, enabled=True):
        count, at = server.registration_count, server.checked_at
        if count is None or at is None or at < since:
            return {}
        counts[server.name] = count
    return counts
