"""Runs and their planned changes."""

from __future__ import annotations

from django.db import models

from provisioning.core.limits import Category


class Run(models.Model):
    """A plan and what became of it."""

    class Kind(models.TextChoices):
        SYNC = "sync", "Directory sync"
        RULES = "rules", "Account rules"
        EXPIRY = "expiry", "Expired people"
        UNDO = "undo", "Undo"
        WRITE_BACK = "write-back", "Write-back"
        RENAMES = "renames", "Accepted SIP URIs"
        JOIN = "join", "Joined entries"
        REKEY = "rekey", "Another key"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        WAITING = "waiting", "Waiting for approval"
        PREVIEW = "preview", "Preview"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"
        SUPERSEDED = "superseded", "Superseded"

    class Reading(models.TextChoices):
        FULL = "full", "Everything"
        CHANGES = "changes", "Changes"

    class Phase(models.TextChoices):
        READ = "read", "Read"
        PLAN = "plan", "Plan"
        CHECK = "check", "Check limits"
        APPLY = "apply", "Apply"
        FINISHED = "finished", "Finished"

    kind = models.CharField(max_length=10, choices=Kind)
    source = models.ForeignKey(
        "provisioning.DirectorySource",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="runs",
    )
    undoes = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="undone_by"
    )
    question = models.JSONField(
        default=dict, help_text="What a run about some people or with choices was asked for"
    )
    reading = models.CharField(max_length=7, choices=Reading, default=Reading.FULL)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    phase = models.CharField(max_length=10, choices=Phase, default=Phase.READ)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    dry = models.BooleanField(default=False)
    stop_requested = models.BooleanField(default=False)
    requested_by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, blank=True
    )
    counts = models.JSONField(default=dict)
    breaches = models.JSONField(default=list)
    digest = models.CharField(max_length=64, blank=True)
    problem = models.TextField(blank=True, help_text="Why it failed or was stopped")
    remark = models.TextField(blank=True, help_text="What else should be known of a run")
    # What is planned up to this ordinal is applied: no row of a plan is written a second time.
    applied_to = models.PositiveIntegerField(default=0)
    approved_by = models.ForeignKey(
        "provisioning.ConsoleUser",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    approved_at = models.DateTimeField(null=True)
    cookie = models.BinaryField(
        null=True, help_text="Where the source's next reading of changes goes on after this run"
    )
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=["source", "-id"], name="run_by_source"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"


class PlannedChange(models.Model):
    """One row of a plan: what is shown is exactly what is applied, for it is applied from here.

    `before` holds the changed fields as they were, `after` as they will be (for a create every one
    that is not empty). `base_version` is the version of the object that the plan was computed from.

    Rows are applied in the order of `ordinal`: a planned one is applied when its run's `applied_to`
    has come to it. A proposal that somebody accepted is marked as applied by itself.
    """

    class Status(models.TextChoices):
        PLANNED = "planned", "Planned"
        APPLIED = "applied", "Applied"
        HELD = "held", "Held"
        STALE = "stale", "Out of date"
        PROPOSED = "proposed", "Proposed"
        PROBLEM = "problem", "Conflict"
        DISCARDED = "discarded", "Discarded"

    # Rows are written and deleted with their run only, so the database need not check each of them.
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, related_name="changes", db_index=False, db_constraint=False
    )
    source_id = models.BigIntegerField()
    ordinal = models.PositiveIntegerField()
    kind = models.CharField(
        max_length=10,
        choices=[
            ("person", "Person"), ("group", "Group"), ("account", "Account"),
            ("value", "Directory value"),
        ],
    )  # fmt: skip
    key = models.CharField(max_length=80)
    subject = models.CharField(
        max_length=36,
        help_text="GUID of the person or group that the change follows from; of an entry that "
        "belongs to somebody with several, the person's",
    )
    name = models.CharField(max_length=200)
    action = models.CharField(max_length=10)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    base_version = models.PositiveIntegerField(default=0)
    category = models.CharField(
        max_length=12, blank=True, choices=[(c.value, c.value) for c in Category]
    )
    domain_id = models.BigIntegerField(null=True)
    pool_id = models.BigIntegerField(null=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.PLANNED)
    message = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["run", "ordinal"], name="planned_change_ordinal"),
        )
        indexes = (
            models.Index(fields=["key", "kind"], name="planned_change_by_key"),
            models.Index(
                fields=["category", "at"],
                name="planned_change_risk",
                condition=~models.Q(category=""),
            ),
            models.Index(
                fields=["run", "status"], name="planned_change_open",
                condition=models.Q(status__in=["held", "proposed", "problem"]),
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.name}"

    @property
    def is_applied(self) -> bool:
        """Whether it was made so."""
        planned = self.status == self.Status.PLANNED and self.ordinal <= self.run.applied_to
        return planned or self.status == self.Status.APPLIED
