"""Proposals: SIP URIs that account rules would give by now, on which somebody decides."""

from __future__ import annotations

from django.db import models


class Proposal(models.Model):
    """What the formula of an account's rule gives, where the rule keeps the SIP URI.

    An accepted one is made so by a run of its own. A declined one stays, so that the same is not
    proposed again.
    """

    class State(models.TextChoices):
        OPEN = "open", "Proposed"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"

    account = models.OneToOneField(
        "provisioning.Account", on_delete=models.CASCADE, related_name="proposal"
    )
    aor = models.CharField("proposed SIP URI", max_length=129)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    run = models.ForeignKey(
        "provisioning.Run", on_delete=models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=["state", "id"], name="proposal_by_state"),)

    def __str__(self) -> str:
        return self.aor
