"""The one catalogue of settings, by key, and what must hold between several of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from provisioning.core.errors import InvalidInput
from provisioning.core.settings.account_settings import ACCOUNT_SETTINGS
from provisioning.core.settings.client_policies import CLIENT_POLICIES
from provisioning.core.settings.forwarding_settings import FORWARDING_SETTINGS
from provisioning.core.settings.server_settings import SERVER_SETTINGS
from provisioning.core.settings.setting import Setting, SettingScope
from provisioning.core.settings.types import Value

CATALOGUE: Mapping[str, Setting] = MappingProxyType(
    {
        each.key: each
        for each in (
            *SERVER_SETTINGS,
            *ACCOUNT_SETTINGS,
            *FORWARDING_SETTINGS,
            *CLIENT_POLICIES,
        )
    }
)


def find_setting(key: str) -> Setting:
    """The setting called `key`; raises InvalidInput when there is none."""
    setting = CATALOGUE.get(key)
    if setting is None:
        raise InvalidInput(f"“{key[:40]}” is not a setting; `settings list` names them all.")
    return setting


def settings_at(scope: SettingScope) -> list[Setting]:
    """The settings that may be given at a scope, in the order of the catalogue."""
    return [each for each in CATALOGUE.values() if scope in each.family.scopes]


def conflicts(values: Mapping[str, Value]) -> list[str]:
    """Why `values` cannot hold together; keys that are missing have their default."""
    whole = {key: setting.default for key, setting in CATALOGUE.items()} | dict(values)

    def shown(key: str) -> str:
        setting = CATALOGUE[key]
        return f"“{setting.label}” ({setting.type.show(whole[key])})"

    found = []
    lengths = {key: value for key, value in whole.items() if isinstance(value, int)}
    for less, more in (("min_expires", "default_expires"), ("default_expires", "max_expires")):
        if lengths[less] > lengths[more]:
            found.append(f"{shown(less)} is longer than {shown(more)}.")
    if whole["nat_traversal"] != "none" and not whole["stun_server"]:
        found.append(f"{shown('nat_traversal')} needs a STUN server, and none is given.")
    names = {key: set(value) for key, value in whole.items() if isinstance(value, tuple)}
    if both := names["federation_partners"] & names["federation_blocked"]:
        found.append(f"{min(both)} is a federation partner and blocked at once.")
    return found
