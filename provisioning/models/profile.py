"""Client profiles and the one-time links that hand them out."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class ClientProfile(models.Model):
    """What clients are told besides who they are: session types, encryption, gateway, provider."""

    class Media(models.TextChoices):
        NONE = "none", "None"
        OPTIONAL = "optional", "Optional"
        REQUIRED = "required", "Required (SRTP)"

    name = models.CharField(max_length=100, unique=True)
    is_default = models.BooleanField("used where no rule names one", default=False)
    allow_pc2pc = models.BooleanField("PC-PC calls", default=True)
    allow_pc2ph = models.BooleanField("PC-phone calls", default=True)
    allow_ph2ph = models.BooleanField("phone-phone calls (click to call)", default=False)
    allow_im = models.BooleanField("instant messages", default=True)
    media_encryption = models.CharField(max_length=10, choices=Media, default=Media.REQUIRED)
    register_expires = models.PositiveIntegerField(
        "registration lasts (seconds)",
        default=3600,
        validators=[MinValueValidator(60), MaxValueValidator(86_400)],
    )
    gateway_host = models.CharField("PSTN gateway", max_length=255, blank=True)
    gateway_port = models.PositiveIntegerField(default=5061)
    gateway_transport = models.CharField(
        max_length=5, choices=[("tls", "TLS"), ("tcp", "TCP"), ("udp", "UDP")], default="tls"
    )
    ca_pem = models.TextField("certificate authority of the servers (PEM)", blank=True)
    provider = models.CharField("provider name", max_length=100, blank=True)
    homepage = models.URLField(blank=True)
    helpdesk = models.URLField("help desk", blank=True)
    valid_days = models.PositiveIntegerField(
        "documents are valid for (days)", null=True, blank=True
    )
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="one_default_profile",
            ),
        )

    def __str__(self) -> str:
        return self.name


class ProvisioningLink(models.Model):
    """An address that hands out one account's document; only the hash of its token is kept."""

    account = models.ForeignKey(
        "provisioning.Account", on_delete=models.CASCADE, related_name="links"
    )
    format = models.CharField(max_length=20)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    one_time = models.BooleanField(default=True)
    created_by = models.ForeignKey("provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_from = models.CharField(max_length=45, blank=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.format} link of {self.account_id}"
