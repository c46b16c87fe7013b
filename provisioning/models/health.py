"""How SIP servers were, interval by interval."""

from __future__ import annotations

from django.db import models


class HealthSample(models.Model):
    """All checks of one server in one interval, in one row.

    There are short intervals for the last days and long ones for the last month; both are counted
    as the checks come in.
    """

    class Length(models.IntegerChoices):
        SHORT = 300, "5 minutes"
        LONG = 3600, "1 hour"

    server = models.ForeignKey(
        "provisioning.SipServer",
        on_delete=models.CASCADE,
        related_name="samples",
        db_index=False,
    )
    seconds = models.PositiveIntegerField(choices=Length)
    at = models.DateTimeField("beginning")
    checks = models.PositiveIntegerField()
    failures = models.PositiveIntegerField()
    latency_total = models.FloatField(help_text="Milliseconds of all answered checks together")
    latency_most = models.FloatField()
    registrations = models.PositiveIntegerField(null=True, help_text="As last counted in it")
    memory_percent = models.FloatField(null=True, help_text="The most")
    connections = models.PositiveIntegerField(null=True, help_text="The most")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["server", "seconds", "at"], name="health_once"),
        )
        indexes = (models.Index(fields=["seconds", "at"], name="health_by_time"),)

    def __str__(self) -> str:
        return f"{self.server} at {self.at:%Y-%m-%d %H:%M}"

    @property
    def latency_ms(self) -> float | None:
        """The average of the answered checks."""
        answered = self.checks - self.failures
        return self.latency_total / answered if answered else None
