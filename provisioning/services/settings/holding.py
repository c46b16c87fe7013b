"""What can hold a setting: families of SIP servers, formats of clients; and which store cannot."""

from __future__ import annotations

from django.db.models import QuerySet

from provisioning.core.settings.setting import Family, Setting, SettingScope
from provisioning.drivers.base import Kind
from provisioning.drivers.registry import DRIVERS
from provisioning.models import Account, ConfigStore, PendingChange, SipServer
from provisioning.profiles.registry import RENDERERS
from provisioning.services.settings.places import Place


def holders(setting: Setting) -> list[str]:
    """Everything in which the setting can take effect, by its label."""
    servers = [each.label for each in DRIVERS.values() if setting.key in each.settings]
    formats = [each.label for each in RENDERERS.values() if setting.key in each.policies]
    return servers + formats


class Stores:
    """The stores that have something to do with a place, read once."""

    def __init__(self, place: Place) -> None:
        self._stores = list(_stores_of(place).order_by("name"))
        refused = PendingChange.objects.filter(kind__in=(Kind.SETTING, Kind.PREFERENCE))
        self._refused = set(refused.exclude(problem="").values_list("store_id", "kind"))

    def lacking(self, setting: Setting) -> list[str]:
        """The stores that cannot hold the setting, by name; none for client policies.

        That is where the family of servers has no place for it, or the store refused such rows the
        last time: a table is missing, or a right.
        """
        if setting.family is Family.CLIENT:
            return []
        kind = Kind.SETTING if setting.family is Family.SERVER else Kind.PREFERENCE
        return [
            store.name
            for store in self._stores
            if setting.key not in DRIVERS[store.driver].settings
            or (store.pk, kind) in self._refused
        ]


def _stores_of(place: Place) -> QuerySet[ConfigStore]:
    rows = ConfigStore.objects.all()
    if isinstance(place.obj, SipServer):
        return rows.filter(pk=place.obj.store_id)
    if isinstance(place.obj, Account):
        return rows.filter(pool=place.obj.pool_id)
    return rows.filter(pool=place.pk) if place.scope is SettingScope.POOL else rows
