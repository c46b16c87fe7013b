"""What the last look at a store found right, so that the next one compares what has changed."""

from __future__ import annotations

from django.db import models


class StoreProof(models.Model):
    """One kind of rows at one store, as it was when all of it was last known to be as wanted.

    Hashes only: `terms` of the settings that rows are made with, `ground` of the accounts that they
    are made of, by blocks, and `standing`, keyed, of what stood at the store, by endings of user
    parts.
    """

    store = models.ForeignKey(
        "provisioning.ConfigStore", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=20)
    terms = models.CharField(max_length=64)
    ground = models.JSONField(default=dict)
    standing = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["store", "kind"], name="store_proof_once"),)

    def __str__(self) -> str:
        return f"{self.kind} at {self.store_id}, {self.at:%Y-%m-%d %H:%M}"
