"""Directory sources: where people and groups come from."""

from __future__ import annotations

from collections.abc import Collection
from datetime import time

from django.conf import settings
from django.db import models

from provisioning.core.records import SourceRecord
from provisioning.core.roles import ROLE_CHOICES
from provisioning.models.fields import keyring
from provisioning.models.limits import Limited

_OF_DIRECTORIES = ("uris", "person_bases", "person_filter")


class DirectorySource(Limited):
    """One directory (a forest, an LDAP tree) that is read."""

    class Kind(models.TextChoices):
        ACTIVE_DIRECTORY = "active_directory", "Active Directory"
        OPENLDAP = "openldap", "OpenLDAP"
        DS389 = "389ds", "389 Directory Server"
        OTHER = "other", "Other LDAP directory"
        SCIM = "scim", "SCIM (Entra ID, Okta)"

    class Tls(models.TextChoices):
        LDAPS = "ldaps", "LDAPS (TLS from the start)"
        STARTTLS = "starttls", "StartTLS"
        NONE = "none", "None (only on this machine)"

    class Mode(models.TextChoices):
        FULL = "full", "Read everything each time"
        DIRSYNC = "dirsync", "DirSync (Active Directory)"
        USN = "usn", "uSNChanged (Active Directory, one domain controller)"
        SYNCREPL = "syncrepl", "syncrepl (OpenLDAP with the syncprov overlay)"
        SCIM = "scim", "What the SCIM client wrote"

    class BindMethod(models.TextChoices):
        SIMPLE = "simple", "Password"
        GSSAPI = "gssapi", "Kerberos (keytab)"
        EXTERNAL = "external", "Client certificate"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.ACTIVE_DIRECTORY)
    uris = models.TextField(
        "addresses", help_text="One per line, tried in order, such as ldaps://dc1.example.com"
    )
    tls = models.CharField("encryption", max_length=10, choices=Tls, default=Tls.LDAPS)
    ca_pem = models.TextField("certificate authority (PEM)", blank=True)
    bind_method = models.CharField(
        "sign-in", max_length=10, choices=BindMethod, default=BindMethod.SIMPLE
    )
    bind_dn = models.CharField("bind account", max_length=500, blank=True)
    client_certificate = models.TextField("client certificate (PEM)", blank=True)
    # By the way of signing in: the password, the keytab in base64, or the private key in PEM.
    sealed_bind_secret = models.BinaryField(null=True, editable=False)
    person_bases = models.TextField("bases of people", help_text="One DN per line")
    person_filter = models.CharField("filter of people", max_length=500)
    group_bases = models.TextField(
        "bases of groups", blank=True, help_text="One DN per line; empty reads no groups"
    )
    group_filter = models.CharField("filter of groups", max_length=500, blank=True)
    mapping = models.JSONField("attribute map", default=dict)
    disabled_expression = models.CharField("“disabled” when", max_length=500, blank=True)
    photo_attribute = models.CharField("photo", max_length=100, blank=True)
    elsewhere_expression = models.CharField(
        "number used elsewhere",
        max_length=500,
        blank=True,
        default="",
        help_text="A number that Teams or anything else serves; it is never given to an account",
    )
    key_attribute = models.CharField(max_length=50)
    page_size = models.PositiveIntegerField(default=1000)
    connect_timeout = models.PositiveIntegerField("seconds to connect", null=True, blank=True)
    read_timeout = models.PositiveIntegerField("seconds for an answer", null=True, blank=True)
    enabled = models.BooleanField("read on schedule", default=True)
    interval_seconds = models.PositiveIntegerField("read every (seconds)", default=900)
    mode = models.CharField("how changes are found", max_length=10, choices=Mode, default=Mode.FULL)
    full_at = models.TimeField("everything is read at", default=time(2, 30))
    full_zone = models.CharField("time zone", max_length=64, default="UTC")
    grace_days = models.PositiveIntegerField("keep leavers for (days)", default=30)
    allows_sign_in = models.BooleanField(
        "console users may sign in with this directory", default=False
    )
    lease_owner = models.CharField(max_length=64, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    # The server of the last read, why those before it were not used, and which broke off a read.
    server_in_use = models.CharField(max_length=300, blank=True, editable=False)
    passed_over = models.JSONField(default=list, editable=False)
    broke_off = models.CharField(max_length=300, blank=True, editable=False)
    last_complete_at = models.DateTimeField(null=True, editable=False)
    last_changes_at = models.DateTimeField(null=True, editable=False)
    cookie = models.BinaryField(
        null=True, editable=False, help_text="Where the next reading of changes goes on"
    )
    fell_back = models.TextField(
        blank=True, editable=False, help_text="Why everything was read instead of the changes"
    )
    fell_back_at = models.DateTimeField(null=True, editable=False)
    unseen = models.TextField(
        blank=True, editable=False, help_text="What reading changes does not notice"
    )
    groups_stale_since = models.DateTimeField(null=True, editable=False)
    groups_exact = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="All that is kept of groups is what the directory said at the cookie, so that "
        "those that change can be read alone",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    @property
    def is_scim(self) -> bool:
        """Whether its client sends people and groups, instead of a directory that is read."""
        return self.kind == self.Kind.SCIM

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """A SCIM client has no address, base or filter."""
        given = set(exclude or ())
        super().clean_fields({*given, *_OF_DIRECTORIES} if self.is_scim else given)

    @property
    def _place(self) -> str:
        return f"DirectorySource:{self.pk}:bind_secret"

    def set_bind_secret(self, secret: str) -> None:
        """Seal `secret` (the row must have its id); empty erases it."""
        self.sealed_bind_secret = keyring().seal(secret, self._place) if secret else None

    def bind_secret(self) -> str:
        """The bind secret in clear, empty when none is kept."""
        return (
            keyring().open(bytes(self.sealed_bind_secret), self._place)
            if self.sealed_bind_secret
            else ""
        )

    def as_record(self) -> SourceRecord:
        """The source as a value for the directory floor; holds the bind secret.

        A server that broke off the last read is tried last.
        """
        if self.is_scim:
            return SourceRecord(
                name=self.name, uris=(), tls="none", ca_pem="", bind_dn="", bind_secret="",
                person_bases=("Users",), person_filter="", group_bases=("Groups",),
                group_filter="", key_attribute=self.key_attribute,
            )  # fmt: skip
        return SourceRecord(
            name=self.name,
            uris=tuple(sorted(self.uris.split(), key=lambda uri: uri == self.broke_off)),
            tls=self.tls,  # type: ignore[arg-type]
            ca_pem=self.ca_pem,
            bind_method=self.bind_method,  # type: ignore[arg-type]
            bind_dn=self.bind_dn,
            client_certificate=self.client_certificate,
            bind_secret=self.bind_secret(),
            person_bases=_lines(self.person_bases),
            person_filter=self.person_filter,
            group_bases=_lines(self.group_bases),
            group_filter=self.group_filter,
            key_attribute=self.key_attribute,
            page_size=self.page_size,
            connect_timeout=self.connect_timeout or settings.LDAP_CONNECT_TIMEOUT,
            read_timeout=self.read_timeout or settings.LDAP_READ_TIMEOUT,
        )


class RoleGroup(models.Model):
    """Members of a directory group sign in to the console with a role."""

    source = models.ForeignKey(
        DirectorySource, on_delete=models.CASCADE, related_name="role_groups"
    )
    group = models.ForeignKey(
        "provisioning.DirectoryGroup", on_delete=models.CASCADE, related_name="+"
    )
    role = models.CharField(max_length=20, choices=ROLE_CHOICES)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["source", "group"], name="role_group_once"),)

    def __str__(self) -> str:
        return f"{self.group} → {self.role}"


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
