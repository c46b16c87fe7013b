"""Alerts: what is or was wrong, and who is told how."""

from __future__ import annotations

from django.db import models

from provisioning.core.severity import SEVERITY_CHOICES, Severity
from provisioning.models.fields import keyring


class Alert(models.Model):
    """Something that is wrong or waits, from when it was noticed until it is over.

    `key` tells it from everything else that is wrong at the time; `noun` and `object_id` say where
    to look. Whoever acknowledged it knows: it is not told again.
    """

    key = models.CharField(max_length=100)
    kind = models.CharField(max_length=40)
    severity = models.CharField(max_length=10, choices=SEVERITY_CHOICES)
    title = models.CharField(max_length=300)
    text = models.TextField()
    noun = models.CharField(max_length=20)
    object_id = models.BigIntegerField(null=True)
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["key"], condition=models.Q(ended_at=None), name="alert_once"
            ),
        )
        indexes = (models.Index(fields=["ended_at", "id"], name="alert_by_end"),)

    def __str__(self) -> str:
        return self.title

    @property
    def tone(self) -> str:
        """The colour of its severity."""
        return Severity(self.severity).tone


class AlertChannel(models.Model):
    """One way to tell somebody: which severities, how often again, and where to."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        MAIL = "mail", "Mail"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    enabled = models.BooleanField(default=True)
    severities = models.JSONField(default=list)
    repeat_hours = models.PositiveIntegerField(
        "tell again after hours", default=24, help_text="While nobody acknowledges it; 0 for never"
    )
    url = models.CharField("address", max_length=500, blank=True)
    sealed_secret = models.BinaryField(null=True, editable=False)
    ca_pem = models.TextField("certificate authority (PEM)", blank=True)
    recipients = models.TextField(blank=True, help_text="Mail addresses, one per line")
    problem = models.TextField(blank=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return self.name

    @property
    def _place(self) -> str:
        return f"AlertChannel:{self.pk}:secret"

    def set_secret(self, secret: str) -> None:
        """Seal what messages are signed with (the row must have its id); empty erases it."""
        self.sealed_secret = keyring().seal(secret, self._place) if secret else None

    def secret(self) -> str:
        """What messages are signed with, empty where none is kept."""
        return keyring().open(bytes(self.sealed_secret), self._place) if self.sealed_secret else ""


class AlertTold(models.Model):
    """That a channel was told of an alert, when last, and whether of its end."""

    channel = models.ForeignKey(
        AlertChannel, on_delete=models.CASCADE, related_name="told", db_index=False
    )
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="told")
    at = models.DateTimeField()
    ended = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["channel", "alert"], name="told_once"),)

    def __str__(self) -> str:
        return f"{self.alert} at {self.channel}"


class AlertMessage(models.Model):
    """The outbox of alerts: one message for one channel, until it arrived or was given up."""

    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="messages")
    payload = models.JSONField()
    made_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    dead = models.BooleanField(default=False)
    problem = models.TextField(blank=True)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(
                fields=["id"], name="alert_message_open",
                condition=models.Q(sent_at=None, dead=False),
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"message #{self.pk} to {self.channel}"
