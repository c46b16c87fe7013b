"""The outbox and the rows that the console owns at each store."""

from __future__ import annotations

from django.db import models


class PendingChange(models.Model):
    """Something at a store is to be made as intended; key `*` means everything of the kind.

    Marking again raises `version`; a push deletes the row only at the version that it read, so
    nothing that came meanwhile is lost. What has a `stage` is held back until that is open.
    """

    ALL = "*"

    store = models.ForeignKey(
        "provisioning.ConfigStore",
        on_delete=models.CASCADE,
        related_name="pending",
        db_index=False,
    )
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=1)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    dead = models.BooleanField(default=False)
    problem = models.TextField(blank=True)
    marked_at = models.DateTimeField()
    stage = models.ForeignKey(
        "provisioning.RolloutStage",
        on_delete=models.SET_NULL,
        null=True,
        related_name="pending",
        db_index=False,
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["store", "kind", "key"], name="pending_once"),
        )
        indexes = (
            models.Index(
                fields=["stage"], name="pending_by_stage", condition=models.Q(stage__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class OwnedRow(models.Model):
    """A row at a store that the console created or adopted; every other row is foreign.

    `content` is a keyed hash of what the console last wrote; while nothing is pending it was read
    back too. It is empty where a write failed, so that nobody knows what stands there.
    """

    store = models.ForeignKey(
        "provisioning.ConfigStore",
        on_delete=models.CASCADE,
        related_name="owned_rows",
        db_index=False,
        # Rows are noted while the store's own row is held: to look it up for each of them again
        # costs PostgreSQL a third of the time that noting takes.
        db_constraint=False,
    )
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=200)
    content = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["store", "kind", "key"], name="owned_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class PushPause(models.Model):
    """The one global Pause: while `paused`, nothing is written to any SIP server."""

    paused = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey("provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True)
    since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return "paused" if self.paused else "not paused"
