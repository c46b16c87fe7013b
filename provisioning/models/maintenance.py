"""Maintenance: what is left alone for a while, with an end that comes by itself."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Maintained(models.Model):
    """Something that may be in maintenance: nothing is pushed to it, and no alert tells of it."""

    maintenance_until = models.DateTimeField(null=True, editable=False)
    maintenance_reason = models.CharField(max_length=200, blank=True, editable=False)
    maintenance_by = models.ForeignKey(
        "provisioning.ConsoleUser",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        abstract = True

    @property
    def in_maintenance(self) -> bool:
        """Whether it is left alone now."""
        return self.maintenance_until is not None and self.maintenance_until > timezone.now()
