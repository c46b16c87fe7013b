"""Numbers and the ranges that they come from."""

from __future__ import annotations

from django.db import models


class NumberRange(models.Model):
    """A block of E.164 numbers; `authority` says who hands them out."""

    class Authority(models.TextChoices):
        CONSOLE = "console", "The console assigns the next free number"
        DIRECTORY = "directory", "The directory says who has which number"

    name = models.CharField(max_length=100, unique=True)
    first = models.CharField("first number", max_length=16)
    last = models.CharField("last number", max_length=16)
    site = models.ForeignKey("provisioning.Site", on_delete=models.PROTECT, null=True, blank=True)
    extension_digits = models.PositiveSmallIntegerField(
        default=4, help_text="How many last digits are the internal extension"
    )
    authority = models.CharField(max_length=10, choices=Authority, default=Authority.CONSOLE)

    def __str__(self) -> str:
        return f"{self.name} ({self.first} to {self.last})"


class Number(models.Model):
    """One E.164 number and who has it; reassigning changes the owner, so two accounts can swap."""

    class State(models.TextChoices):
        FREE = "free", "Free"
        RESERVED = "reserved", "Reserved"
        ASSIGNED = "assigned", "Assigned"
        QUARANTINED = "quarantined", "Quarantined"
        USED_ELSEWHERE = "used elsewhere", "Used elsewhere"

    e164 = models.CharField("number", max_length=16)
    state = models.CharField(max_length=20, choices=State, default=State.FREE)
    account = models.OneToOneField(
        "provisioning.Account",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="number",
        db_constraint=False,
    )
    note = models.CharField(max_length=200, blank=True)
    used_in = models.ForeignKey(
        "provisioning.DirectorySource",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        db_index=False,
        help_text="The directory that says that the number is used elsewhere",
    )
    quarantined_until = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        # Not unique=True, with which PostgreSQL gets a second index, for beginnings of texts.
        constraints = (
            models.UniqueConstraint(fields=["e164"], name="number_e164"),
            models.CheckConstraint(
                condition=models.Q(account__isnull=True)
                | models.Q(state__in=["assigned", "reserved"]),
                name="number_owner_is_assigned",
            ),
        )
        indexes = (
            models.Index(
                fields=["quarantined_until"],
                name="number_that_rests",
                condition=~models.Q(quarantined_until=None),
            ),
        )

    def __str__(self) -> str:
        return self.e164
