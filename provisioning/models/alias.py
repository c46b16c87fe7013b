"""Aliases: old SIP URIs that lead to their account for a while after a rename."""

from __future__ import annotations

from django.db import models


class Alias(models.Model):
    """A SIP URI that an account had before; as long as it is here, nobody else gets it."""

    account = models.ForeignKey(
        "provisioning.Account", on_delete=models.CASCADE, related_name="aliases"
    )
    domain = models.ForeignKey("provisioning.SipDomain", on_delete=models.PROTECT, db_index=False)
    user_part = models.CharField(max_length=64)
    aor = models.CharField("old SIP URI", max_length=129)
    ends_at = models.DateTimeField("leads on until", db_index=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "aliases"
        # Not unique=True, with which PostgreSQL gets a second index, for beginnings of texts.
        constraints = (models.UniqueConstraint(fields=["aor"], name="alias_aor"),)

    def __str__(self) -> str:
        return self.aor
