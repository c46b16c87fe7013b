"""Console users: the people who sign in to the console."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from provisioning.core.roles import CAPABILITIES, ROLE_CHOICES, Capability, Role


class ConsoleUserManager(BaseUserManager["ConsoleUser"]):
    """Creates local console users."""

    def create_user(self, username: str, password: str | None, **fields: Any) -> ConsoleUser:
        """A local console user; `username` is folded to one normalised form."""
        user = self.model(username=self.model.normalize_username(username).casefold(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class ConsoleUser(AbstractBaseUser):
    """Somebody who signs in to the console.

    A directory sign-in is keyed by (source, guid), never by name.
    """

    username = models.CharField("user name", max_length=150, unique=True)
    name = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=20, choices=ROLE_CHOICES)
    may_export_secrets = models.BooleanField(
        "may export documents that hold a secret", default=False
    )
    source = models.ForeignKey(
        "provisioning.DirectorySource",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    guid = models.CharField(max_length=36, blank=True)
    is_active = models.BooleanField("may sign in", default=True)
    session_version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    objects: ClassVar[ConsoleUserManager] = ConsoleUserManager()

    class Meta:
        verbose_name = "console user"
        constraints = (
            models.UniqueConstraint(
                fields=["source", "guid"],
                condition=models.Q(source__isnull=False),
                name="console_user_guid",
            ),
        )

    def __str__(self) -> str:
        return self.name or self.username

    def may(self, capability: Capability) -> bool:
        """Whether the role allows `capability`."""
        return self.is_active and capability in CAPABILITIES[Role(self.role)]

    def get_session_auth_fallback_hash(self) -> Any:
        """Old keys do not keep a session alive here."""
        return iter(())

    def get_session_auth_hash(self) -> str:
        """Changes with the password and with `session_version`; raising that ends every session."""
        return f"{super().get_session_auth_hash()}:{self.session_version}"
