"""Values of settings, each at one place, and the order of the groups that have some."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from provisioning.core.settings.setting import SettingScope

# The column that names the place, by scope; everywhere has none.
PLACES = {
    scope: scope.value for scope in SettingScope if scope is not SettingScope.GLOBAL
}  # fmt: skip


def _at(scope: SettingScope) -> Q:
    """Matches values of a scope that name its place and no other."""
    elsewhere = {f"{column}__isnull": True for each, column in PLACES.items() if each is not scope}
    here = {f"{PLACES[scope]}__isnull": False} if scope in PLACES else {}
    return Q(scope=scope.value, **elsewhere, **here)


def _any_scope() -> Q:
    condition = Q()
    for scope in SettingScope:
        condition |= _at(scope)
    return condition


class SettingValue(models.Model):
    """What somebody gave for one setting of the catalogue at one place."""

    key = models.CharField("setting", max_length=32)
    scope = models.CharField(
        max_length=10, choices=[(scope.value, scope.label) for scope in SettingScope]
    )
    domain = models.ForeignKey("provisioning.SipDomain", on_delete=models.CASCADE, null=True)
    site = models.ForeignKey("provisioning.Site", on_delete=models.CASCADE, null=True)
    pool = models.ForeignKey("provisioning.ServerPool", on_delete=models.CASCADE, null=True)
    server = models.ForeignKey("provisioning.SipServer", on_delete=models.CASCADE, null=True)
    group = models.ForeignKey("provisioning.DirectoryGroup", on_delete=models.CASCADE, null=True)
    account = models.ForeignKey("provisioning.Account", on_delete=models.CASCADE, null=True)
    value = models.JSONField()
    by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField()

    class Meta:
        verbose_name = "setting"
        constraints = (
            models.CheckConstraint(condition=_any_scope(), name="setting_names_its_place"),
            models.UniqueConstraint(
                fields=["key"], condition=Q(scope=SettingScope.GLOBAL), name="setting_everywhere"
            ),
            *(
                models.UniqueConstraint(
                    fields=["key", column],
                    condition=Q(scope=scope),
                    name=f"setting_of_{column}",
                )
                for scope, column in PLACES.items()
            ),
        )

    def __str__(self) -> str:
        return f"{self.key} of {self.scope}"

    @property
    def place_id(self) -> int:
        """The id of the place; 0 for everywhere."""
        found: Any = getattr(self, f"{self.scope}_id", None)
        return found or 0


class GroupRank(models.Model):
    """The place of a group among those that have settings: of two the smaller one wins."""

    group = models.OneToOneField(
        "provisioning.DirectoryGroup", on_delete=models.CASCADE, related_name="rank"
    )
    position = models.PositiveIntegerField()

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return f"{self.group}, {self.position}"
