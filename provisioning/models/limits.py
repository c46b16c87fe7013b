"""Limits as columns of whatever they protect."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from provisioning.core.limits import Limit


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
