"""SIP domains."""

from __future__ import annotations

from django.db import models

from provisioning.models.limits import Limited


class SipDomain(Limited):
    """A domain of addresses-of-record.

    The realm of its credentials is the domain unless another is given.
    """

    domain = models.CharField(max_length=64, unique=True)
    realm_override = models.CharField(
        "realm", max_length=64, blank=True, help_text="Empty means the domain itself"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "SIP domain"

    def __str__(self) -> str:
        return self.domain

    @property
    def realm(self) -> str:
        """The digest realm."""
        return self.realm_override or self.domain
