"""Saved views: filters of a list that a console user keeps under a name."""

from __future__ import annotations

from django.db import models


class SavedView(models.Model):
    """One filter of one list; `query` is the query string without the page."""

    MOST = 12

    user = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.CASCADE, related_name="saved_views"
    )
    list_name = models.CharField("list", max_length=20)
    name = models.CharField(max_length=40)
    query = models.TextField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "list_name", "name"], name="saved_view_once"),
        )

    def __str__(self) -> str:
        return self.name
