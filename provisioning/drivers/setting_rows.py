"""Rows of settings: what a SIP server, its pool, everybody or one account is given."""

from __future__ import annotations

from dataclasses import dataclass

from provisioning.core.settings.types import Value

# Stands among the settings of an account: the site (its id here) whose dial rules and routes count.
CALLER_SITE = "site"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """What is given for a setting to all servers of a store, or to `server` alone (its id here).

    Of an account setting it is what everybody has who has no row of his own. Key: the setting, for
    one server behind its id and a colon.
    """

    setting: str
    value: str
    server: str = ""

    @property
    def key(self) -> str:
        return f"{self.server}:{self.setting}" if self.server else self.setting


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """What an account has for a setting, other than everybody. Key: setting/user@domain."""

    setting: str
    user: str
    domain: str
    value: str

    @property
    def key(self) -> str:
        return preference_key(self.setting, f"{self.user}@{self.domain}")


def as_text(value: Value) -> str:
    """A value as rows hold it: 1 and 0 for on and off, commas between several."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def preference_key(setting: str, aor: str) -> str:
    """The key at which an address-of-record has a setting of its own."""
    return f"{setting}/{aor}"


def main_number_key(site: int) -> str:
    """The key at which servers find the main number of a site (its id here)."""
    return f"main_number_of_{site}"
