"""People as they were read from a directory, keyed by GUID, never by name or DN."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone

from provisioning.core.moments import moment
from provisioning.core.states import is_out


class Person(models.Model):
    """Somebody in a directory. Directory-mastered columns carry no unique constraint."""

    source = models.ForeignKey(
        "provisioning.DirectorySource",
        on_delete=models.PROTECT,
        related_name="people",
        db_index=False,
    )
    guid = models.CharField(max_length=36)
    dn = models.TextField()
    content_hash = models.CharField(max_length=32)
    login = models.CharField("user name", max_length=200)
    display_name = models.CharField("name", max_length=200)
    given_name = models.CharField(max_length=200, blank=True)
    surname = models.CharField(max_length=200, blank=True)
    mail = models.CharField(max_length=200, blank=True)
    phone = models.CharField(max_length=200, blank=True)
    mobile = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=200, blank=True)
    department = models.CharField(max_length=200, blank=True)
    office = models.CharField(max_length=200, blank=True)
    country = models.CharField(max_length=200, blank=True)
    employee_id = models.CharField(max_length=200, blank=True)
    sip_address = models.CharField("SIP address", max_length=200, blank=True)
    extension = models.CharField(max_length=200, blank=True)
    custom = models.CharField(
        max_length=200, blank=True, help_text="Whatever else account rules ask for"
    )
    manager = models.TextField(blank=True, help_text="The manager's DN")
    kind = models.CharField("account kind", max_length=20, default="person")
    # Text, in UTC, because a planned change carries it as text and its order is that of time.
    expires_at = models.CharField(
        "expires", max_length=20, blank=True, help_text="Such as 2026-12-31T00:00:00Z"
    )
    sid = models.CharField("security identifier", max_length=184, blank=True, db_default="")
    disabled = models.BooleanField("disabled in the directory", default=False)
    locked_out = models.BooleanField(default=False)
    must_change_password = models.BooleanField(default=False)
    left_at = models.DateTimeField("left", null=True)
    name_key = models.CharField(max_length=200, editable=False)
    search_key = models.TextField(editable=False)
    problem = models.TextField("conflict", blank=True)
    to_decide = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="How often somebody asked for the account to be decided, though a read of the "
        "directory shows no difference; 0 when that was done",
    )
    # The first of the person's entries: it has the account. One level only. People are never
    # deleted, and whoever writes it reads the other row.
    same_as = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="entries",
        db_index=False,
        db_constraint=False,
    )
    version = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "people"
        constraints = (models.UniqueConstraint(fields=["source", "guid"], name="person_guid"),)
        indexes = (
            models.Index(fields=["name_key", "id"], name="person_by_name"),
            models.Index(
                fields=["source"], name="person_with_conflict", condition=~models.Q(problem="")
            ),
            models.Index(
                fields=["left_at"], name="person_that_left", condition=~models.Q(left_at=None)
            ),
            models.Index(fields=["sid"], name="person_by_sid", condition=~models.Q(sid="")),
            models.Index(
                fields=["expires_at"],
                name="person_that_expires",
                condition=~models.Q(expires_at=""),
            ),
            models.Index(
                fields=["source"], name="person_to_decide", condition=models.Q(to_decide__gt=0)
            ),
            models.Index(
                fields=["same_as"],
                name="person_joined",
                condition=models.Q(same_as__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.display_name or self.login

    def is_out(self, now: datetime | None = None) -> bool:
        """Whether the directory says that the person has no service: disabled, or expired."""
        at = moment(now or timezone.now())
        return is_out(disabled=self.disabled, expires_at=self.expires_at, now=at)
