"""Probes: the accounts that they sign in with, when each server is tried, and what was found."""

from __future__ import annotations

from django.db import models

from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.drivers.setting_rows import CALLER_SITE


class ProbeAccount(models.Model):
    """An account of the console's own, by which it tries what servers do; it is nobody's."""

    class Role(models.TextChoices):
        OPEN = "open", "Registers and calls itself"
        BLOCKED = "blocked", "Must be refused"
        AWAY = "away", "Forwards calls that it does not take"
        MAILBOX = "mailbox", "Its calls go to a mailbox at the console"

    account = models.OneToOneField(
        "provisioning.Account", on_delete=models.CASCADE, related_name="probe", primary_key=True
    )
    role = models.CharField(max_length=10, choices=Role)

    def __str__(self) -> str:
        return f"{self.account_id}: {self.role}"


class ServerProbe(models.Model):
    """When a SIP server was probed last, what kept it from being probed, and who does it now.

    `seen` is the newest of RowImages when the last probe began: later ones are pushes after it.
    """

    server = models.OneToOneField(
        "provisioning.SipServer", on_delete=models.CASCADE, related_name="probe", primary_key=True
    )
    wanted = models.BooleanField(default=False, help_text="Somebody asked for it")
    at = models.DateTimeField(null=True)
    seen = models.PositiveBigIntegerField(default=0)
    transport = models.CharField(max_length=3, blank=True)
    problem = models.TextField(blank=True)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"probe of {self.server_id}"


class ProbeResult(models.Model):
    """What a probe found of one kind at one server, of a part of it where `key` names one.

    `got` are the server's own words, or why nothing was tried; none of the texts holds a secret.
    """

    class Outcome(models.TextChoices):
        EFFECTIVE = "effective", "The server does what was intended"
        INEFFECTIVE = "ineffective", "The server does something else"
        UNTRIED = "untried", "Not tried, or no answer"

    server = models.ForeignKey(
        "provisioning.SipServer",
        on_delete=models.CASCADE,
        related_name="probe_results",
        db_index=False,
    )
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome)
    sent = models.CharField(max_length=200, blank=True)
    expected = models.CharField(max_length=200, blank=True)
    got = models.CharField(max_length=300)
    seen = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["server", "kind", "key"], name="probe_result_once"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: {self.outcome}"

    @property
    def name(self) -> str:
        """What it is about: a setting by its label, else its key."""
        if self.key == CALLER_SITE:
            return "Dial rules of its site"
        setting = CATALOGUE.get(self.key)
        return setting.label if setting else self.key

    @property
    def told(self) -> str:
        """What was found, in a sentence."""
        if self.outcome == self.Outcome.UNTRIED:
            return self.got
        return f"{self.sent}: expected {self.expected}; it answered {self.got}."
