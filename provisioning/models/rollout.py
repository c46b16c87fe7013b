"""Rollouts: changes of a pool that go in stages, held back in the outbox until each opens."""

from __future__ import annotations

from django.db import models


class Rollout(models.Model):
    """Changes of one pool that go together, stage by stage.

    While it waits, further changes join it. `digest` grows with each of them; an approval is for
    the digest that the approver saw. What it holds back are the pending changes of its stages.
    """

    class What(models.TextChoices):
        CONFIGURATION = "configuration", "Settings and routes"
        ACCOUNTS = "accounts", "Accounts"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        ROLLING_BACK = "rolling back", "Rolling back"
        ROLLED_BACK = "rolled back", "Rolled back"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    pool = models.ForeignKey(
        "provisioning.ServerPool", on_delete=models.CASCADE, related_name="rollouts"
    )
    what = models.CharField(max_length=20, choices=What)
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    about = models.CharField(max_length=300, blank=True)
    run = models.ForeignKey(
        "provisioning.Run", on_delete=models.SET_NULL, null=True, related_name="rollouts"
    )
    authors = models.ManyToManyField("provisioning.ConsoleUser", related_name="+")
    digest = models.CharField(max_length=64)
    asked = models.BooleanField(default=False, help_text="Its pool asked for an approval")
    approved_digest = models.CharField(max_length=64, blank=True)
    approved_by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    hurried = models.CharField(max_length=200, blank=True, help_text="Why it waits for no window")
    # Why it does not go on just now, and what went wrong.
    waits = models.TextField(blank=True)
    problem = models.TextField(blank=True)
    cancels = models.BooleanField(default=False, help_text="Ends as cancelled when rolled back")
    created_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=["pool", "-id"], name="rollout_by_pool"),
            models.Index(fields=["state"], name="rollout_by_state"),
        )

    def __str__(self) -> str:
        return f"Rollout #{self.pk}"

    @property
    def is_approved(self) -> bool:
        """Whether somebody approved what it is now."""
        return bool(self.approved_digest) and self.approved_digest == self.digest

    @property
    def needs_approval(self) -> bool:
        """Whether it waits for somebody who approves it."""
        asked = self.asked or self.pool.needs_approval
        return self.state == self.State.WAITING and asked and not self.is_approved


class RolloutStage(models.Model):
    """One stage: `stores` that are written and `servers` that reload and are watched.

    Its pending changes are pushed only while it is `open`. `gate` is what was seen of each server,
    by its id, before and now (services.rollouts.gate.Seen).
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        WRITING = "writing", "Being written"
        WATCHING = "watching", "Watched"
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        PUT_BACK = "put back", "Put back"

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="stages")
    ordinal = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    stores = models.ManyToManyField("provisioning.ConfigStore", related_name="+")
    servers = models.ManyToManyField("provisioning.SipServer", related_name="+")
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    open = models.BooleanField(default=False)
    gate = models.JSONField(default=dict)
    total = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    since = models.DateTimeField(null=True, help_text="In its state")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("ordinal",)
        constraints = (
            models.UniqueConstraint(fields=["rollout", "ordinal"], name="rollout_stage_once"),
        )

    def __str__(self) -> str:
        return self.name
