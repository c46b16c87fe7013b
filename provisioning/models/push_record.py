"""What pushes changed at a store, with what stood there before, so that they can be reverted."""

from __future__ import annotations

from django.db import models


class PushRecord(models.Model):
    """One push that changed rows, one adoption of rows, or one revert; kept for 90 days."""

    class Kind(models.TextChoices):
        PUSH = "push", "Push"
        ADOPTION = "adoption", "Adoption"
        REVERT = "revert", "Revert"

    store = models.ForeignKey(
        "provisioning.ConfigStore",
        on_delete=models.CASCADE,
        related_name="push_records",
        db_index=False,
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PUSH)
    by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reverts = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="reverted_by"
    )
    stage = models.ForeignKey(
        "provisioning.RolloutStage",
        on_delete=models.SET_NULL,
        null=True,
        related_name="push_records",
        db_index=False,
    )
    reason = models.CharField(max_length=200, blank=True)
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0)
    settled = models.BooleanField(
        default=False, help_text="All that was noted was read back; otherwise it broke off"
    )
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = (
            models.Index(fields=["store", "-id"], name="push_record_by_store"),
            models.Index(
                fields=["store"], name="push_record_unsettled", condition=models.Q(settled=False)
            ),
            models.Index(
                fields=["stage"],
                name="push_record_by_stage",
                condition=models.Q(stage__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"

    @property
    def told(self) -> str:
        """What became of how many rows; an adoption writes none."""
        changed = "adopted" if self.kind == self.Kind.ADOPTION else "changed"
        counts = ((self.created, "created"), (self.changed, changed), (self.deleted, "deleted"))
        return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing"


class RowImages(models.Model):
    """What stood at some keys of one kind before a push, sealed: the rows hold digests."""

    record = models.ForeignKey(PushRecord, on_delete=models.CASCADE, related_name="images")
    kind = models.CharField(max_length=20)
    count = models.PositiveIntegerField()
    sealed = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.count} rows of {self.kind} before {self.record}"

    @staticmethod
    def place(record_id: int, kind: str) -> str:
        """Where sealed images belong (the associated data of their seal)."""
        return f"RowImages:{record_id}:{kind}"
