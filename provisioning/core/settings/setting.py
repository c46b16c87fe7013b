"""What a setting is: its key, its type, where it may be given, and how it takes effect."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from provisioning.core.settings.types import Type, Value


class SettingScope(StrEnum):
    """Where a value may be given. Of several the later in an order beats the earlier."""

    GLOBAL = "global"
    DOMAIN = "domain"
    SITE = "site"
    POOL = "pool"
    SERVER = "server"
    GROUP = "group"
    ACCOUNT = "account"

    @property
    def label(self) -> str:
        """The word for it on every page."""
        return {"global": "Everywhere", "domain": "SIP domain", "server": "SIP server"}.get(
            self.value, self.value.capitalize()
        )


class Family(StrEnum):
    """Whose settings they are: of a SIP server, of an account at its servers, of its clients."""

    SERVER = "server"
    ACCOUNT = "account"
    CLIENT = "client"

    @property
    def label(self) -> str:
        """The word for it on every page."""
        return {
            Family.SERVER: "Server settings",
            Family.ACCOUNT: "Account settings",
            Family.CLIENT: "Client policies",
        }[self]

    @property
    def scopes(self) -> tuple[SettingScope, ...]:
        """Where values of the family may be given; what is later beats what is earlier."""
        if self is Family.SERVER:
            return _OF_SERVERS
        return _OF_ACCOUNTS

    @property
    def effect(self) -> str:
        """When a new value takes effect."""
        return {
            Family.SERVER: "At the SIP servers, once they have reloaded it after the next push.",
            Family.ACCOUNT: "At the SIP servers, with the next request after the next push.",
            Family.CLIENT: "At the clients, when they fetch their profile the next time.",
        }[self]


_OF_SERVERS = (SettingScope.GLOBAL, SettingScope.POOL, SettingScope.SERVER)
_OF_ACCOUNTS = (
    SettingScope.GLOBAL,
    SettingScope.DOMAIN,
    SettingScope.SITE,
    SettingScope.POOL,
    SettingScope.GROUP,
    SettingScope.ACCOUNT,
)


class Area(StrEnum):
    """What settings are grouped by on pages, in their order."""

    REGISTRATION = "Registration"
    MESSAGES = "Messages"
    REMOTE = "Remote access"
    FEDERATION = "Federation"
    CALLS = "Calls"
    FORWARDING = "Forwarding"
    SECURITY = "Security"
    NETWORK = "Network"
    PRESENCE = "Presence"
    HELP = "Help"


@dataclass(frozen=True, slots=True)
class Setting:
    """One entry of the catalogue.

    `key` is at most 32 of a to z, digits and underscores: SIP servers know the setting by it too.
    `default` is what holds where nobody gave a value; `covers` are numbers of the checklist in
    docs/settings.md. Where `serves`, less of it takes service away from accounts.
    """

    key: str
    label: str
    help: str
    area: Area
    family: Family
    type: Type
    default: Value
    covers: tuple[int, ...]
    serves: bool = False

    def takes_away(self, before: Value, after: Value) -> bool:
        """Whether the move from `before` to `after` takes service away."""
        return self.serves and isinstance(before, int) and isinstance(after, int) and after < before
