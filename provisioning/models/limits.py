"""Limits as columns of whatever they protect, and what administrators used of them."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from provisioning.core.limits import Category, Limit


class Limited(models.Model):
    """How many may lose service or change identity in 24 hours before somebody must approve."""

    limit_percent = models.PositiveSmallIntegerField(
        "limit in percent", default=5, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    limit_ceiling = models.PositiveIntegerField("limit as a number", default=250)
    limit_membership_percent = models.PositiveSmallIntegerField(
        "limit of removed memberships in percent", default=20, validators=[MaxValueValidator(100)]
    )

    class Meta:
        abstract = True

    def limit(self) -> Limit:
        """The limit as a value."""
        return Limit(self.limit_percent, self.limit_ceiling, self.limit_membership_percent)


class LimitUse(models.Model):
    """An account that an administrator put at risk without a plan, within the limits.

    It counts for 24 hours, as what runs applied does; what was approved is not kept here.
    """

    account = models.ForeignKey("provisioning.Account", on_delete=models.CASCADE, related_name="+")
    category = models.CharField(max_length=12, choices=[(c.value, c.value) for c in Category])
    # Where the account was then.
    domain_id = models.BigIntegerField()
    pool_id = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["at"], name="limit_use_by_moment"),)

    def __str__(self) -> str:
        return f"{self.category} of {self.account_id}"
