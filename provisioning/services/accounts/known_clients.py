"""Which clients of an account are known: those that fetched its profile over a link."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count

from provisioning.models import ProvisioningLink
from provisioning.profiles.registry import RENDERERS


def known_clients(*, account_ids: Collection[int]) -> dict[int, str]:
    """Such as "Linphone (2), Yealink (1)" by account id: how many times each format was fetched.

    They stop registering when user name or realm change, until they fetch again. Clients that were
    set up by hand or by an export are not known; one query for all accounts.
    """
    fetched = (
        ProvisioningLink.objects.filter(account__in=account_ids, used_at__isnull=False)
        .values("account", "format")
        .annotate(times=Count("pk"))
        .order_by("account", "format")
    )
    words: dict[int, list[str]] = {}
    for row in fetched:
        renderer = RENDERERS.get(row["format"])
        label = renderer.label if renderer else row["format"]
        words.setdefault(row["account"], []).append(f"{label} ({row['times']})")
    return {account: ", ".join(found) for account, found in words.items()}
