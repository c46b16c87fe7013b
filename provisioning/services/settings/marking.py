"""What is asked of SIP servers when a setting changes: exactly the rows that it changes."""

from __future__ import annotations

from collections.abc import Collection

from provisioning.core.settings.setting import Family, Setting, SettingScope
from provisioning.drivers.base import Kind
from provisioning.drivers.registry import DRIVERS
from provisioning.drivers.setting_rows import SettingRow, preference_key
from provisioning.models import ConfigStore, PendingChange, SettingValue, SipServer
from provisioning.services.actor import Actor
from provisioning.services.push import outbox
from provisioning.services.rollouts.staging import mark_configuration
from provisioning.services.settings.loss import SettingChange


def mark_change(change: SettingChange, *, actor: Actor) -> None:
    """Ask for the rows that a change of a setting concerns, in the caller's transaction.

    They go in stages where a pool has them, but for what is given to one account alone. Client
    policies are rows of no server. What everybody has is a row of each store; accounts that differ
    from it have rows of their own, which are compared anew when it changes.
    """
    setting, scope = change.setting, change.place.scope
    if setting.family is Family.CLIENT:
        return
    if setting.family is Family.SERVER:
        _mark_server_setting(change, actor)
        return
    about = _about(change)
    if scope is SettingScope.GLOBAL:
        stores = _stores(setting)
        mark_configuration(
            store_ids=stores, kind=Kind.SETTING, keys=[setting.key], actor=actor, about=about
        )
        below = SettingValue.objects.filter(key=setting.key).exclude(scope=SettingScope.GLOBAL)
        if below.exists():
            mark_configuration(
                store_ids=stores, kind=Kind.PREFERENCE, keys=[PendingChange.ALL], actor=actor,
                about=about,
            )  # fmt: skip
        return
    for pool, aors in change.reached.items():
        keys = [preference_key(setting.key, aor) for aor in aors]
        stores = _stores(setting, pools={pool})
        if scope is SettingScope.ACCOUNT:
            outbox.mark(store_ids=stores, kind=Kind.PREFERENCE, keys=keys)
        else:
            mark_configuration(
                store_ids=stores, kind=Kind.PREFERENCE, keys=keys, actor=actor, about=about
            )


def mark_server_removed(server: SipServer) -> None:
    """Ask for what a server that is about to be forgotten had for itself to be taken away."""
    own = SettingValue.objects.filter(server=server).values_list("key", flat=True)
    keys = [SettingRow(key, "", str(server.pk)).key for key in own]
    outbox.mark(store_ids=[server.store_id], kind=Kind.SETTING, keys=keys)


def _mark_server_setting(change: SettingChange, actor: Actor) -> None:
    setting, obj = change.setting, change.place.obj
    keys = [setting.key]
    if isinstance(obj, SipServer):
        keys = [SettingRow(setting.key, "", str(obj.pk)).key]
        stores = [pk for pk in _stores(setting) if pk == obj.store_id]
    else:
        pools = None if obj is None else {change.place.pk}
        stores = _stores(setting, pools=pools)
    mark_configuration(
        store_ids=stores, kind=Kind.SETTING, keys=keys, actor=actor, about=_about(change)
    )


def _about(change: SettingChange) -> str:
    return f"“{change.setting.label}” at {change.place.label}"


def _stores(setting: Setting, *, pools: Collection[int] | None = None) -> list[int]:
    """The stores that the console writes to and that can hold the setting, of some pools or all."""
    able = [name for name, driver in DRIVERS.items() if setting.key in driver.settings]
    rows = ConfigStore.objects.filter(pk__in=outbox.manageable_stores(), driver__in=able)
    if pools is not None:
        rows = rows.filter(pool__in=pools)
    return list(rows.order_by("pk").values_list("pk", flat=True))
