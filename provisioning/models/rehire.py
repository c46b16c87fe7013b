"""Rehires: people who look like somebody who left, offered to an administrator as a link."""

from __future__ import annotations

from django.db import models


class Rehire(models.Model):
    """That `person` may be `former` under a new key; nothing follows until somebody accepts.

    `evidence` lists what both have in common as [what, value].
    """

    class State(models.TextChoices):
        OPEN = "open", "Offered"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"

    person = models.ForeignKey(
        "provisioning.Person", on_delete=models.CASCADE, related_name="rehires"
    )
    former = models.ForeignKey(
        "provisioning.Person", on_delete=models.CASCADE, related_name="rehired_as"
    )
    evidence = models.JSONField(default=list)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    created_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["person", "former"], name="rehire_once"),)
        indexes = (models.Index(fields=["state", "id"], name="rehire_by_state"),)

    def __str__(self) -> str:
        return f"{self.person} for {self.former}"
