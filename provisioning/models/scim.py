"""What SCIM clients (Entra ID, Okta) sent: their tokens, users, groups and memberships."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class ScimToken(models.Model):
    """A bearer token with which one client writes to one source; only its keyed hash is kept."""

    source = models.ForeignKey(
        "provisioning.DirectorySource", on_delete=models.CASCADE, related_name="scim_tokens"
    )
    name = models.CharField(max_length=100)
    key = models.CharField(max_length=12, editable=False, help_text="The part that is no secret")
    secret_hash = models.CharField(max_length=64, editable=False)
    created_by = models.ForeignKey("provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.CharField(max_length=45, blank=True)

    class Meta:
        verbose_name = "SCIM token"
        constraints = (models.UniqueConstraint(fields=["key"], name="scim_token_key"),)

    def __str__(self) -> str:
        return self.name


class ScimFeed(models.Model):
    """How far the client of a source has come.

    `version` counts every write; a writer holds the row until it commits, so that a reader who saw
    a version has seen all before it. `wake_due` is when a worker was told to read; empty: nobody.
    """

    source = models.OneToOneField(
        "provisioning.DirectorySource",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="scim_feed",
    )
    version = models.BigIntegerField(default=0)
    forgotten_version = models.BigIntegerField(
        default=0, help_text="The newest deletion that is not remembered any more"
    )
    wake_due = models.DateTimeField(null=True)
    last_request_at = models.DateTimeField(null=True)
    last_request = models.CharField(max_length=100, blank=True)
    last_client = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.source_id} at {self.version}"


class ScimResource(models.Model):
    """A user or group as its client described it.

    One that was deleted keeps its row without content for some time, so that whoever reads the
    changes learns of it. Members of groups are rows of their own.
    """

    class Kind(models.TextChoices):
        USER = "User", "User"
        GROUP = "Group", "Group"

    source = models.ForeignKey(
        "provisioning.DirectorySource",
        on_delete=models.CASCADE,
        related_name="scim_resources",
        db_index=False,
    )
    kind = models.CharField(max_length=5, choices=Kind)
    uid = models.CharField(max_length=36)
    external_id = models.CharField(max_length=255, blank=True)
    name_key = models.CharField(
        max_length=255, help_text="userName, or displayName of a group, in lower case"
    )
    body = models.JSONField(default=dict)
    version = models.BigIntegerField()
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["uid"], name="scim_uid"),
            models.UniqueConstraint(
                fields=["source", "name_key"],
                condition=Q(kind="User", deleted_at=None),
                name="scim_user_name",
            ),
        )
        indexes = (
            models.Index(fields=["source", "kind", "id"], name="scim_by_kind"),
            models.Index(fields=["source", "version"], name="scim_by_version"),
            models.Index(
                fields=["source", "name_key"], condition=Q(kind="Group"), name="scim_group_name"
            ),
            models.Index(fields=["source", "external_id"], name="scim_external_id"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.uid}"


class ScimMember(models.Model):
    """A user or group, by its uid, is a direct member of a group."""

    group = models.ForeignKey(
        ScimResource, on_delete=models.CASCADE, related_name="members", db_index=False
    )
    member = models.CharField(max_length=36)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["group", "member"], name="scim_member_once"),
        )
        indexes = (models.Index(fields=["member"], name="scim_groups_of"),)

    def __str__(self) -> str:
        return f"{self.member} in {self.group_id}"
