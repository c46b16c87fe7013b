"""Where calls go that stay not inside: gateways, routes to them, and hosts that need no digest."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from provisioning.models.fields import keyring

# The first number that a gateway gets by itself; those below are often in use at SIP servers.
FIRST_NUMBER = 101


class Gateway(models.Model):
    """A next hop for calls; as a trunk the SIP servers register at it with a user name of theirs.

    `number` is what servers call it by: at Kamailio its dispatcher set.
    """

    class Transport(models.TextChoices):
        TLS = "tls", "TLS"
        TCP = "tcp", "TCP"
        UDP = "udp", "UDP"

    name = models.CharField(max_length=60, unique=True)
    number = models.PositiveIntegerField(
        "number at the servers",
        unique=True,
        validators=[MinValueValidator(1), MaxValueValidator(999_999_999)],
    )
    enabled = models.BooleanField("in use", default=True)
    host = models.CharField(max_length=64)
    port = models.PositiveIntegerField(
        default=5061, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    transport = models.CharField(max_length=3, choices=Transport, default=Transport.TLS)
    strip = models.PositiveSmallIntegerField(
        "characters to take away", default=0, validators=[MaxValueValidator(20)]
    )
    prefix = models.CharField("characters to put before", max_length=20, blank=True)
    t38 = models.BooleanField("takes faxes as T.38", default=False)
    registers = models.BooleanField("the servers register there", default=False)
    user = models.CharField("user name", max_length=64, blank=True)
    domain = models.CharField("registrar's domain", max_length=64, blank=True)
    auth_user = models.CharField("authentication user name", max_length=64, blank=True)
    realm = models.CharField(max_length=64, blank=True)
    expires = models.PositiveIntegerField(
        "registers anew after (seconds)",
        default=600,
        validators=[MinValueValidator(60), MaxValueValidator(86_400)],
    )
    sealed_secret = models.BinaryField(null=True, editable=False)

    def __str__(self) -> str:
        return self.name

    @property
    def _place(self) -> str:
        return f"Gateway:{self.pk}:secret"

    def set_secret(self, secret: str) -> None:
        """Seal the password of the registration (the row must have its id); empty erases it."""
        self.sealed_secret = keyring().seal(secret, self._place) if secret else None

    def secret(self) -> str:
        """The password of the registration in clear text; empty where there is none."""
        return keyring().open(bytes(self.sealed_secret), self._place) if self.sealed_secret else ""


class Route(models.Model):
    """Where numbers that begin with a prefix go; the longest prefix that fits wins.

    Its gateways are tried in their order. Without any, calls to these numbers are refused.
    """

    prefix = models.CharField(max_length=32, unique=True)
    note = models.CharField(max_length=100, blank=True)
    first_gateway = models.ForeignKey(
        Gateway, on_delete=models.PROTECT, null=True, blank=True, related_name="routes"
    )
    second_gateway = models.ForeignKey(
        Gateway, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    third_gateway = models.ForeignKey(
        Gateway, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return self.prefix

    @property
    def gateways(self) -> list[Gateway]:
        """The gateways that are given, in the order in which they are tried."""
        given = (self.first_gateway, self.second_gateway, self.third_gateway)
        return [gateway for gateway in given if gateway is not None]


class TrustedHost(models.Model):
    """Addresses from which SIP servers treat requests alike, whoever sends them."""

    class Treatment(models.TextChoices):
        AUTHENTICATED = "authenticated", "Authenticated: may call accounts and through gateways"
        INBOUND = "inbound", "Inbound: may call accounts only"
        OUTBOUND = "outbound", "Outbound only: nothing is accepted from it"

    name = models.CharField(max_length=60, unique=True)
    network = models.CharField("address or network", max_length=50)
    treatment = models.CharField(max_length=15, choices=Treatment, default=Treatment.INBOUND)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["network"], name="trusted_host_network"),)

    def __str__(self) -> str:
        return self.name
