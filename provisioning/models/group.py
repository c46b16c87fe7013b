"""Directory groups and who is in them, directly or through other groups."""

from __future__ import annotations

from django.db import models


class DirectoryGroup(models.Model):
    """A group as it was read, keyed by GUID."""

    source = models.ForeignKey(
        "provisioning.DirectorySource",
        on_delete=models.PROTECT,
        related_name="groups",
        db_index=False,
    )
    guid = models.CharField(max_length=36)
    dn = models.TextField()
    name = models.CharField(max_length=200)
    description = models.CharField(max_length=500, blank=True)
    content_hash = models.CharField(max_length=32)
    member_count = models.PositiveIntegerField("members", default=0)
    unresolved_count = models.PositiveIntegerField("unknown members", default=0)
    unknown_members = models.JSONField(
        default=list, help_text="The first DNs of members that are neither people nor groups here"
    )
    foreign_count = models.PositiveIntegerField("members of other forests", default=0, db_default=0)
    follows_nested = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Something asks for its members, so those of the groups within are kept too",
    )
    left_at = models.DateTimeField(null=True)
    name_key = models.CharField(max_length=200, editable=False)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()
    children = models.ManyToManyField(
        "self", symmetrical=False, related_name="parents", through="GroupNesting"
    )

    class Meta:
        verbose_name = "group"
        constraints = (models.UniqueConstraint(fields=["source", "guid"], name="group_guid"),)
        indexes = (models.Index(fields=["name_key", "id"], name="group_by_name"),)

    def __str__(self) -> str:
        return self.name


class GroupNesting(models.Model):
    """`child` is a member of `parent`."""

    parent = models.ForeignKey(
        DirectoryGroup, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    child = models.ForeignKey(DirectoryGroup, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["parent", "child"], name="nesting_once"),)

    def __str__(self) -> str:
        return f"{self.child} in {self.parent}"


class GroupMember(models.Model):
    """A membership: `direct` when the group names the person itself.

    Those through groups within are kept only of groups that something asks for: they are what was
    decided from, while a change waits too. Of all others they follow from the nesting.
    """

    # One statement writes them, from the rows of both: to look each of these up again costs
    # PostgreSQL more than half of the time that a million of them takes.
    group = models.ForeignKey(
        DirectoryGroup,
        on_delete=models.CASCADE,
        related_name="members",
        db_index=False,
        db_constraint=False,
    )
    person = models.ForeignKey(
        "provisioning.Person",
        on_delete=models.CASCADE,
        related_name="memberships",
        db_constraint=False,
    )
    direct = models.BooleanField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["group", "person"], name="member_once"),)

    def __str__(self) -> str:
        return f"{self.person} in {self.group}"
