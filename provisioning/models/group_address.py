"""Group addresses: a SIP URI and a number for what stands at a server beside."""

from __future__ import annotations

from django.db import models


class GroupAddress(models.Model):
    """What leads to a queue, a conference or a hunt group that a PBX or Asterisk beside has.

    `target` is a SIP URI with a port, such as sip:support@pbx.example.com:5060;transport=tcp. While
    it has a `number`, no account gets that.
    """

    name = models.CharField(max_length=60, unique=True)
    domain = models.ForeignKey(
        "provisioning.SipDomain", on_delete=models.PROTECT, verbose_name="SIP domain"
    )
    user_part = models.CharField(max_length=64)
    number = models.CharField(max_length=16, blank=True)
    target = models.CharField("leads to", max_length=150)

    class Meta:
        verbose_name_plural = "group addresses"
        constraints = (
            models.UniqueConstraint(
                fields=["domain", "user_part"],
                name="group_address_aor",
                violation_error_message="Another group address has this SIP URI.",
            ),
            models.UniqueConstraint(
                fields=["number"],
                condition=~models.Q(number=""),
                name="group_address_number",
                violation_error_message="Another group address has this number.",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def aor(self) -> str:
        """Its address-of-record."""
        return f"{self.user_part}@{self.domain.domain}"

    @property
    def users(self) -> list[str]:
        """The user parts that lead there: its own, and the number."""
        return [each for each in (self.user_part, self.number) if each]

    @property
    def leads_to(self) -> tuple[str, str]:
        """The user at the server, and its host with port and transport."""
        user, _, at = self.target.removeprefix("sip:").partition("@")
        return user, at
