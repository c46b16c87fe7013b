"""Wrong secrets are counted by the address that they come from; from some on it has to wait."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac

from provisioning.models import WrongSecrets

# Wrong ones of one address within so many seconds; from then on it is told to wait.
_PATIENCE, _WINDOW = 20, 300


def count_wrong(*, what: str, address: str) -> int:
    """Count a wrong secret of some kind, in the database: all processes count together.

    The seconds to wait: 0 while there is patience left; after that nothing is written any more
    until the count is over.
    """
    now = timezone.now()
    name = salted_hmac(what, address, algorithm="sha256").hexdigest()[:32]
    until = now + timedelta(seconds=_WINDOW)
    row, is_new = WrongSecrets.objects.get_or_create(
        address=name, defaults={"count": 1, "until": until}
    )
    if is_new:
        return 0
    mine = WrongSecrets.objects.filter(pk=row.pk)
    if row.until <= now:
        mine.filter(until=row.until).update(count=1, until=until)
        return 0
    if row.count >= _PATIENCE:
        return max(1, round((row.until - now).total_seconds()))
    mine.update(count=F("count") + 1)
    return 0


def forget_counts() -> None:
    """Forget counts of wrong secrets that are over."""
    WrongSecrets.objects.filter(until__lte=timezone.now()).delete()
