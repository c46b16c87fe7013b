"""Forms that were sent: so that the same one does not do its work twice."""

from __future__ import annotations

from django.db import models


class SentForm(models.Model):
    """A form that did its work: the key that its page gave it, and what was answered."""

    key = models.CharField(max_length=40, primary_key=True)
    user = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    goal = models.CharField(max_length=200)
    said = models.TextField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
