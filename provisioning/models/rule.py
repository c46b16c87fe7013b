"""Account rules: who gets which account."""

from __future__ import annotations

from django.db import models


class AccountRule(models.Model):
    """Ordered: who (group, OU, attribute) → SIP domain, pool, SIP URI formula, number source,
    client profile.

    The first rule that matches a person decides. AOR and number are sticky: they follow a changed
    attribute only where the rule says so.
    """

    class NumberSource(models.TextChoices):
        NONE = "none", "No number"
        DIRECTORY = "directory", "From the directory"
        RANGE = "range", "Next free of a range"

    name = models.CharField(max_length=100, unique=True)
    position = models.PositiveIntegerField(default=100, help_text="Smaller comes first")
    enabled = models.BooleanField(default=True)
    source = models.ForeignKey(
        "provisioning.DirectorySource", on_delete=models.PROTECT, null=True, blank=True,
        help_text="Empty: people of every source",
    )  # fmt: skip
    group = models.ForeignKey(
        "provisioning.DirectoryGroup", on_delete=models.PROTECT, null=True, blank=True,
        help_text="Only members of this group, nested ones too",
    )  # fmt: skip
    ou = models.CharField(
        "below", max_length=500, blank=True, help_text="Only people below this DN"
    )
    condition = models.CharField(
        max_length=500, blank=True, help_text="Only people for whom this expression is not empty"
    )
    domain = models.ForeignKey("provisioning.SipDomain", on_delete=models.PROTECT)
    pool = models.ForeignKey("provisioning.ServerPool", on_delete=models.PROTECT)
    user_formula = models.CharField(
        "SIP URI formula (before the @)", max_length=500, default="lower(login)"
    )
    follow_user = models.BooleanField("follow changes of the formula's value", default=False)
    alias_days = models.PositiveSmallIntegerField(
        "old SIP URI leads on for (days)",
        default=0,
        db_default=0,
        help_text="Calls to it reach the account, and nobody else gets it; 0: it ends at once",
    )
    number_source = models.CharField(
        max_length=10, choices=NumberSource, default=NumberSource.DIRECTORY
    )
    number_formula = models.CharField("number from", max_length=500, default="phone", blank=True)
    number_range = models.ForeignKey(
        "provisioning.NumberRange", on_delete=models.PROTECT, null=True, blank=True
    )
    follow_number = models.BooleanField("follow changes of the directory's number", default=True)
    profile = models.ForeignKey(
        "provisioning.ClientProfile",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name="client profile",
    )
    locked_out_is_disabled = models.BooleanField(
        "whoever is locked out is disabled", default=False, db_default=False
    )
    must_change_is_disabled = models.BooleanField(
        "whoever must change the password is disabled", default=False, db_default=False
    )
    grace_days = models.PositiveSmallIntegerField(
        "leavers are kept for (days)", null=True, blank=True, help_text="Empty: as the source says"
    )
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return self.name
