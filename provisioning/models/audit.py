"""The audit log: append-only, each event carries the hash of the one before."""

from __future__ import annotations

from django.db import models


class AuditEvent(models.Model):
    """Who did what to what; never holds a secret."""

    at = models.DateTimeField()
    actor = models.ForeignKey(
        "provisioning.ConsoleUser",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    request_id = models.CharField(max_length=40, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        indexes = (
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_by_object"),
            models.Index(fields=["-id", "action"], name="audit_newest"),
        )

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_name}"

    @property
    def who(self) -> str:
        """By what name others know who did it, and what he signed in with."""
        name = self.actor.name if self.actor is not None else ""
        return (
            f"{name} ({self.actor_name})" if name and name != self.actor_name else self.actor_name
        )
