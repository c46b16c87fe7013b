"""Where calls go that stay not inside: gateways, routes to them, and hosts that need no digest."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from provisioning.core.calls import Category
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

    Its gateways are tried in their order. Without any, calls to these numbers are refused. With a
    site it is for callers of that site, in place of a route with the same prefix. What its numbers
    are, the category, says who may call them.
    """

    CATEGORIES = tuple((category.value, category.label) for category in Category)

    name = models.CharField(max_length=60, unique=True)
    prefix = models.CharField("numbers that begin with", max_length=24)
    category = models.CharField("what they are", max_length=15, choices=CATEGORIES)
    site = models.ForeignKey(
        "provisioning.Site",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="routes",
        verbose_name="for callers of",
    )
    first_gateway = models.ForeignKey(
        Gateway, on_delete=models.PROTECT, null=True, blank=True, related_name="routes"
    )
    second_gateway = models.ForeignKey(
        Gateway, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    third_gateway = models.ForeignKey(
        Gateway, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["prefix"],
                condition=models.Q(site=None),
                name="route_prefix",
                violation_error_message="There is a route for these numbers already.",
            ),
            models.UniqueConstraint(
                fields=["site", "prefix"],
                name="route_prefix_of_site",
                violation_error_message="The site has a route for these numbers already.",
            ),
        )

    def __str__(self) -> str:
        return self.name

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
