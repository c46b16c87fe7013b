"""Wrong secrets, counted by where they come from."""

from __future__ import annotations

from django.db import models


class WrongSecrets(models.Model):
    """How many of one kind came from one address lately, whichever process was asked.

    `address` is a keyed hash of both. A count that is over starts anew.
    """

    address = models.CharField(max_length=32, unique=True)
    count = models.PositiveIntegerField()
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.count} until {self.until}"


class RefusedFetches(models.Model):
    """How many provisioning links one network asked for in vain, in one of the minutes' intervals.

    `network` is an address, of IPv6 the /64, and empty for all that are not counted by themselves.
    """

    network = models.CharField(max_length=45, blank=True)
    since = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["since", "network"], name="refused_fetches_once"),
        )

    def __str__(self) -> str:
        return f"{self.count} from {self.network or 'others'}"
