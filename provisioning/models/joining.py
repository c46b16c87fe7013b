"""Joining: entries of several sources that are one person, and pairs that are two."""

from __future__ import annotations

from django.db import models

from provisioning.core.precedence import Precedence, Service


class Joining(models.Model):
    """How entries of one person are put together, and who waits until somebody decides; one row."""

    class Service(models.TextChoices):
        FIRST = "first", "The first source in the order decides"
        ANY = "any", "In service while any of the entries is"
        ALL = "all", "In service only while every entry is"

    order = models.JSONField("order of sources", default=list, help_text="Ids; the first wins")
    orders = models.JSONField(
        "orders of single fields", default=dict, help_text="Field → ids that come first for it"
    )
    service = models.CharField(max_length=5, choices=Service, default=Service.FIRST)
    holds = models.JSONField(
        "hold newcomers with the same",
        default=list,
        help_text="Fields; whoever shares one with an entry of another source gets no account yet",
    )

    def __str__(self) -> str:
        return "Joined entries"

    def precedence(self) -> Precedence:
        """The orders as a value."""
        orders = {name: tuple(ids) for name, ids in self.orders.items()}
        return Precedence(tuple(self.order), orders, Service(self.service))


class Apart(models.Model):
    """That two people of different sources are not one, as somebody decided; ids in order."""

    one = models.ForeignKey(
        "provisioning.Person", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    other = models.ForeignKey("provisioning.Person", on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["one", "other"], name="apart_once"),)

    def __str__(self) -> str:
        return f"{self.one} and {self.other}"
