"""Pools, SIP servers, and the stores in which servers read what the console writes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.functional import cached_property

from provisioning.core.records import Listener, ServerRecord, StoreRecord
from provisioning.core.scope import Scope
from provisioning.core.sip import Algorithm, main_algorithm
from provisioning.drivers.base import Driver
from provisioning.models.fields import keyring
from provisioning.models.limits import Limited
from provisioning.models.maintenance import Maintained
from provisioning.models.staged import Staged


class ServerPool(Maintained, Staged):
    """SIP servers that together are the home of accounts."""

    name = models.CharField(max_length=100, unique=True)

    def __str__(self) -> str:
        return self.name


class ConfigStore(Limited):
    """A database of SIP servers.

    Shared by one or more servers of a pool. Plan, apply and drift are per store.
    """

    class Dialect(models.TextChoices):
        POSTGRESQL = "postgresql", "PostgreSQL"
        MYSQL = "mysql", "MySQL or MariaDB"
        SQLITE = "sqlite", "SQLite (a file on this machine)"

    class Mode(models.TextChoices):
        OBSERVE = "observe", "Observe: read and report, never write"
        MANAGE = "manage", "Manage: write what the console owns"

    name = models.CharField(max_length=100, unique=True)
    pool = models.ForeignKey(ServerPool, on_delete=models.PROTECT, related_name="stores")
    driver = models.CharField(
        max_length=20,
        choices=[
            ("kamailio", "Kamailio"),
            ("asterisk", "Asterisk"),
            ("opensips", "OpenSIPS"),
            ("freeswitch", "FreeSWITCH"),
        ],
        default="kamailio",
    )
    dialect = models.CharField(
        "database", max_length=20, choices=Dialect, default=Dialect.POSTGRESQL
    )
    host = models.CharField(max_length=255, blank=True)
    port = models.PositiveIntegerField(default=5432)
    database = models.CharField("database name or file", max_length=255)
    user = models.CharField("database user", max_length=100, blank=True)
    sealed_secret = models.BinaryField(null=True, editable=False)
    tls = models.BooleanField("TLS with certificate check", default=True)
    ca_pem = models.TextField("certificate authority (PEM)", blank=True)
    algorithm = models.CharField(
        "digest algorithm",
        max_length=20,
        choices=[
            ("MD5", "MD5"),
            ("SHA-256", "SHA-256"),
            ("SHA-512-256", "SHA-512-256"),
            ("MD5+SHA-256", "MD5 and SHA-256, as the client chooses"),
        ],
        default="MD5",
    )
    served = models.BooleanField(
        "servers ask this console",
        default=False,
        help_text="Instead of reading the database themselves. A FreeSWITCH always does; an "
        "Asterisk can, where it shall not reach the database",
    )
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.OBSERVE)
    # The managed scope; where one of these is empty, it narrows nothing.
    scope_kinds = models.JSONField("managed kinds", default=list, blank=True)
    scope_domains = models.ManyToManyField(
        "provisioning.SipDomain", blank=True, related_name="+", verbose_name="managed SIP domains"
    )
    scope_groups = models.ManyToManyField(
        "provisioning.DirectoryGroup", blank=True, related_name="+", verbose_name="managed groups"
    )
    repairs_drift = models.BooleanField(
        "repairs drift by itself",
        default=False,
        help_text="Otherwise drift is reported and waits for somebody",
    )
    reconciled_at = models.DateTimeField(null=True, editable=False)
    reconcile_problem = models.TextField(blank=True, editable=False)
    # Differences that nobody ignores, as the last look left them.
    drift_count = models.PositiveIntegerField(default=0, editable=False)
    lease_owner = models.CharField(max_length=64, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    not_before = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    problem = models.TextField(blank=True, editable=False)
    last_push_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return self.name

    @cached_property
    def scope(self) -> Scope:
        """The managed scope, read once for as long as this object lives."""
        return Scope(
            kinds=frozenset(self.scope_kinds),
            domains=dict(self.scope_domains.values_list("pk", "domain")),
            groups=frozenset(self.scope_groups.values_list("pk", flat=True)),
            unsupported=self._made_with.unsupported,
        )

    @property
    def capacity(self) -> int:
        """How many accounts its servers can do with."""
        return self._made_with.store.capacity

    @property
    def main_algorithm(self) -> Algorithm:
        """The algorithm of the digest that every account has there; MD5 where there are two."""
        return main_algorithm(self.algorithm)

    @property
    def adds_sha256(self) -> bool:
        """Whether a digest by SHA-256 stands beside the one by MD5."""
        return self.algorithm == "MD5+SHA-256"

    @property
    def _made_with(self) -> Driver:
        # The libraries of all drivers take 28 MB: not for processes that ask no server.
        from provisioning.drivers.registry import DRIVERS  # noqa: PLC0415

        return DRIVERS[self.driver]

    @property
    def _place(self) -> str:
        return f"ConfigStore:{self.pk}:secret"

    def set_secret(self, secret: str) -> None:
        """Seal the database password (the row must have its id); empty erases it."""
        self.sealed_secret = keyring().seal(secret, self._place) if secret else None

    def as_record(self) -> StoreRecord:
        """The store as a value for its driver; holds the database password."""
        secret = (
            keyring().open(bytes(self.sealed_secret), self._place) if self.sealed_secret else ""
        )
        return StoreRecord(
            name=self.name,
            driver=self.driver,
            dialect=self.dialect,  # type: ignore[arg-type]
            host=self.host,
            port=self.port,
            database=self.database,
            user=self.user,
            secret=secret,
            tls=self.tls,
            ca_pem=self.ca_pem,
            served=self.served,
            algorithm=self.algorithm,  # type: ignore[arg-type]
            connect_timeout=settings.SERVER_CONNECT_TIMEOUT,
            statement_timeout=settings.SERVER_TOTAL_TIMEOUT,
        )


class SipServer(Maintained):
    """One SIP server of a pool: where clients reach it and how the console controls it."""

    # The place of a server that has none of its own in the stages of its pool.
    BY_NAME = 1_000_000

    class Health(models.TextChoices):
        UNKNOWN = "unknown", "Not asked yet"
        UP = "up", "Up"
        DOWN = "down", "Down"
        REFUSED = "refused", "Refused"

        @classmethod
        def out_of_reach(cls) -> tuple[SipServer.Health, ...]:
            """Those in which the console can change nothing at a server."""
            return cls.DOWN, cls.REFUSED

    name = models.CharField(max_length=100, unique=True)
    pool = models.ForeignKey(ServerPool, on_delete=models.PROTECT, related_name="servers")
    store = models.ForeignKey(ConfigStore, on_delete=models.PROTECT, related_name="servers")
    sip_host = models.CharField("SIP host name", max_length=255)
    tls_port = models.PositiveIntegerField("TLS port", null=True, blank=True, default=5061)
    tcp_port = models.PositiveIntegerField("TCP port", null=True, blank=True)
    udp_port = models.PositiveIntegerField("UDP port", null=True, blank=True)
    rpc_url = models.CharField(
        "control address",
        max_length=255,
        help_text="Such as https://sip1.example.com:8443/RPC; /mi in place of /RPC for an "
        "OpenSIPS, and neither for an Asterisk; esl://sip1.example.com:8021 for a FreeSWITCH",
    )
    sealed_rpc_secret = models.BinaryField(null=True, editable=False)
    ca_pem = models.TextField("certificate authority (PEM)", blank=True)
    enabled = models.BooleanField(default=True)
    # Changes of the pool that go in stages come to smaller ones first, else by name.
    stage_place = models.PositiveIntegerField(default=BY_NAME, editable=False)
    reload_pending = models.JSONField(default=list, editable=False)
    # Why it refused to reload them, in its own words.
    reload_problem = models.TextField(blank=True, editable=False)
    health = models.CharField(max_length=10, choices=Health, default=Health.UNKNOWN, editable=False)
    health_problem = models.TextField(blank=True, editable=False)
    version = models.CharField(max_length=100, blank=True, editable=False)
    latency_ms = models.FloatField(null=True, editable=False)
    registration_count = models.PositiveIntegerField(null=True, editable=False)
    memory_percent = models.FloatField(null=True, editable=False)
    connections = models.PositiveIntegerField(null=True, editable=False)
    # The certificate at the TLS port, as the last look found it.
    certificate_expires_at = models.DateTimeField(null=True, editable=False)
    certificate_subject = models.TextField(blank=True, editable=False)
    certificate_issuer = models.TextField(blank=True, editable=False)
    certificate_problem = models.TextField(blank=True, editable=False)
    certificate_checked_at = models.DateTimeField(null=True, editable=False)
    up_since = models.DateTimeField(null=True, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    down_since = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return self.name

    @property
    def _place(self) -> str:
        return f"SipServer:{self.pk}:rpc_secret"

    def set_rpc_secret(self, secret: str) -> None:
        """Seal the secret of the control address (the row must have its id); empty erases it."""
        self.sealed_rpc_secret = keyring().seal(secret, self._place) if secret else None

    def as_record(self) -> ServerRecord:
        """The server as a value for its driver; holds the control secret."""
        secret = (
            keyring().open(bytes(self.sealed_rpc_secret), self._place)
            if self.sealed_rpc_secret
            else ""
        )
        return ServerRecord(
            name=self.name,
            driver=self.store.driver,
            rpc_url=self.rpc_url,
            rpc_secret=secret,
            ca_pem=self.ca_pem,
            connect_timeout=settings.SERVER_CONNECT_TIMEOUT,
            total_timeout=settings.SERVER_TOTAL_TIMEOUT,
        )

    def listeners(self) -> list[Listener]:
        """Where clients reach the server, the safest transport first."""
        ports = (("tls", self.tls_port), ("tcp", self.tcp_port), ("udp", self.udp_port))
        return [Listener(self.sip_host, port, transport) for transport, port in ports if port]  # type: ignore[arg-type]
