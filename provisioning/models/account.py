"""Accounts: one address-of-record each, with its credential and its pins."""

from __future__ import annotations

from django.db import models

from provisioning.core.sip import ImportedDigest
from provisioning.core.states import MEANINGS, State
from provisioning.models.fields import keyring


class Account(models.Model):
    """One address-of-record: SIP domain, user part, home pool, state."""

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        ROOM = "room", "Room"
        COMMON_AREA = "common-area phone", "Common-area phone"
        CONTRACTOR = "contractor", "Contractor"
        SERVICE = "service", "Service"

    # People and accounts are never deleted, and what refers to them is written by statements that
    # read them. The constraint on person and slot finds a person's accounts.
    person = models.ForeignKey(
        "provisioning.Person",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="accounts",
        db_index=False,
        db_constraint=False,
    )
    slot = models.CharField(max_length=20, default="main")
    kind = models.CharField(max_length=20, choices=Kind)
    domain = models.ForeignKey(
        "provisioning.SipDomain",
        on_delete=models.PROTECT,
        related_name="accounts",
        db_index=False,
    )
    user_part = models.CharField(max_length=64)
    aor = models.CharField("SIP URI", max_length=129, editable=False)
    name = models.CharField(max_length=200)
    pool = models.ForeignKey(
        "provisioning.ServerPool",
        on_delete=models.PROTECT,
        related_name="accounts",
        verbose_name="home pool",
        db_index=False,
    )
    site = models.ForeignKey(
        "provisioning.Site", on_delete=models.PROTECT, null=True, blank=True, db_index=False
    )
    rule = models.ForeignKey(
        "provisioning.AccountRule",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
    )
    profile = models.ForeignKey(
        "provisioning.ClientProfile",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        verbose_name="client profile",
        db_index=False,
    )
    state = models.CharField(
        max_length=10,
        choices=[(state.value, MEANINGS[state].label) for state in State],
        default=State.ACTIVE,
    )
    state_since = models.DateTimeField()
    blocked = models.BooleanField(default=False)
    blocked_reason = models.CharField(max_length=200, blank=True)
    responsible = models.CharField(
        max_length=200, blank=True, help_text="Who answers for an account without a person"
    )
    ends_on = models.DateField("ends on", null=True, blank=True)
    grace_until = models.DateTimeField(null=True, blank=True)
    name_key = models.CharField(max_length=200, editable=False)
    search_key = models.TextField(editable=False)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["domain", "user_part"],
                condition=~models.Q(state="removed"),
                name="account_aor",
            ),
            models.UniqueConstraint(
                fields=["person", "slot"],
                condition=models.Q(person__isnull=False),
                name="account_slot",
            ),
        )
        indexes = (
            models.Index(fields=["name_key", "id"], name="account_by_name"),
            # Nearly all are active: of those the index by name is as good, and each one less costs.
            models.Index(
                fields=["state", "name_key", "id"],
                name="account_by_state",
                condition=~models.Q(state="active"),
            ),
            models.Index(fields=["aor"], name="account_by_aor"),
            # What ends by itself is looked for every minute.
            models.Index(
                fields=["ends_on"], name="account_that_ends", condition=~models.Q(ends_on=None)
            ),
            models.Index(
                fields=["grace_until"],
                name="account_in_grace",
                condition=~models.Q(grace_until=None),
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def meaning(self) -> object:
        """What the state means (core.states.Meaning)."""
        return MEANINGS[State(self.state)]


class Credential(models.Model):
    """How an account authenticates.

    The clear text is sealed; HA1s are derived for each target at push.
    """

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, related_name="credential", db_constraint=False
    )
    uid = models.CharField(max_length=32, editable=False)
    auth_user = models.CharField("authentication user name", max_length=64)
    sealed_secret = models.BinaryField(null=True, editable=False)
    # Where it was taken over from a SIP server without its clear text (core.sip.ImportedDigest).
    sealed_import = models.BinaryField(null=True, editable=False)
    version = models.PositiveIntegerField(default=1)
    rotated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"credential of {self.account_id}"

    @staticmethod
    def place(uid: str) -> str:
        """Where a sealed secret belongs (the associated data of its seal)."""
        return f"Credential:{uid}:secret"

    @staticmethod
    def place_of_import(uid: str) -> str:
        """Where a sealed imported digest belongs."""
        return f"Credential:{uid}:import"

    def set_secret(self, secret: str) -> None:
        """Seal a new clear text; an imported digest is of no use any more."""
        self.sealed_secret = keyring().seal(secret, self.place(self.uid))
        self.sealed_import = None

    def set_import(self, digest: ImportedDigest) -> None:
        """Seal a digest whose clear text nobody here knows; a clear text of before is forgotten."""
        self.sealed_import = keyring().seal(digest.as_text(), self.place_of_import(self.uid))
        self.sealed_secret = None

    def secret(self) -> str | None:
        """The clear text, or None where only hashes were imported."""
        return (
            keyring().open(bytes(self.sealed_secret), self.place(self.uid))
            if self.sealed_secret
            else None
        )

    def imported(self) -> ImportedDigest | None:
        """The digest that was taken over, or None where the clear text is known."""
        if not self.sealed_import:
            return None
        text = keyring().open(bytes(self.sealed_import), self.place_of_import(self.uid))
        return ImportedDigest.from_text(text)


class Pin(models.Model):
    """A value that an administrator fixed; it beats rules and sync until it ends."""

    class Field(models.TextChoices):
        STATE = "state", "State"
        USER_PART = "user_part", "SIP URI"
        NUMBER = "number", "Number"
        POOL = "pool", "Home pool"
        SITE = "site", "Site"
        PROFILE = "profile", "Client profile"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="pins")
    field = models.CharField(max_length=20, choices=Field)
    value = models.CharField(max_length=200)
    reason = models.CharField(max_length=200)
    ends_on = models.DateField(null=True, blank=True)
    by = models.ForeignKey("provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True)
    run = models.ForeignKey(
        "provisioning.Run", on_delete=models.SET_NULL, null=True, related_name="pins",
        help_text="The run that undid another and keeps what it restored",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["account", "field"], name="pin_once"),)

    def __str__(self) -> str:
        return f"{self.field} = {self.value}"
