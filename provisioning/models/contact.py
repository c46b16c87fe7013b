"""Live registrations as they were last read from the stores that hold them."""

from __future__ import annotations

from django.db import models


class ContactList(models.Model):
    """What the last look at a store's registrations found.

    `known` is whether the rows are all there is: a server may keep its registrations elsewhere.
    `families` counts the contacts by family of user agents.
    """

    store = models.OneToOneField(
        "provisioning.ConfigStore", on_delete=models.CASCADE, related_name="contact_list"
    )
    known = models.BooleanField(default=False)
    problem = models.TextField(blank=True)
    count = models.PositiveIntegerField(default=0)
    families = models.JSONField(default=dict)
    read_at = models.DateTimeField(null=True, help_text="When it was last read to its end")
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"registrations of {self.store}"


class RegisteredContact(models.Model):
    """One live registration; `key` is the store's own, which stays while it is refreshed.

    `since` is when it was first seen here, or refreshed before that; `expires_at` is null for one
    that never ends. `fingerprint` is a hash of all that the store said. `may_be` is how many
    accounts one of nobody's may be of, as far as somebody looked (services.servers.bare_users).
    """

    may_be = 0

    store = models.ForeignKey(
        "provisioning.ConfigStore",
        on_delete=models.CASCADE,
        related_name="contacts",
        db_index=False,
        # Held by whoever writes them: looking it up for each costs more than the writing.
        db_constraint=False,
    )
    server = models.ForeignKey(
        "provisioning.SipServer",
        on_delete=models.SET_NULL,
        null=True,
        related_name="contacts",
        db_index=False,
        db_constraint=False,
        help_text="Where it came in, as far as its socket tells",
    )
    account = models.ForeignKey(
        "provisioning.Account",
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="contacts",
        db_constraint=False,
    )
    key = models.CharField(max_length=255)
    aor = models.CharField("SIP URI", max_length=255)
    domain = models.CharField("SIP domain", max_length=255)
    contact = models.TextField()
    received = models.CharField(max_length=255, blank=True)
    transport = models.CharField(max_length=8)
    user_agent = models.CharField("client", max_length=255, blank=True)
    family = models.CharField("client family", max_length=60, blank=True)
    since = models.DateTimeField("registered since")
    expires_at = models.DateTimeField("expires", null=True)
    search_key = models.TextField()
    fingerprint = models.BigIntegerField()

    class Meta:
        verbose_name = "registration"
        constraints = (models.UniqueConstraint(fields=["store", "key"], name="contact_once"),)
        indexes = (
            models.Index(fields=["aor", "id"], name="contact_by_aor"),
            models.Index(fields=["since", "id"], name="contact_by_since"),
        )

    def __str__(self) -> str:
        return self.aor
