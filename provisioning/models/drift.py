"""Drift: what stands at a store otherwise than the console left it."""

from __future__ import annotations

from django.db import models


class Drift(models.Model):
    """A difference that nobody here asked for, as the last look found it.

    `fields` lists [name, value here, value there]; both are null where the field is secret.
    """

    class Problem(models.TextChoices):
        CHANGED = "changed", "Changed"
        MISSING = "missing", "Missing"
        EXTRA = "extra", "Should not be there"
        FOREIGN = "foreign", "A row of others is in the way"

    store = models.ForeignKey(
        "provisioning.ConfigStore", on_delete=models.CASCADE, related_name="drift", db_index=False
    )
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=200)
    problem = models.CharField(max_length=10, choices=Problem)
    fields = models.JSONField(default=list)
    first_seen = models.DateTimeField()
    seen_at = models.DateTimeField()
    ignored_until = models.DateField(null=True)
    ignored_reason = models.CharField(max_length=200, blank=True)
    ignored_by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        verbose_name_plural = "drift"
        constraints = (models.UniqueConstraint(fields=["store", "kind", "key"], name="drift_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
