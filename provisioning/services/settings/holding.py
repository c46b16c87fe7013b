"""What can hold a setting: families of SIP servers, formats of clients; and which store cannot."""

from __future__ import annotations

from django.db.models import QuerySet

from provisioning.core.settings.setting import Family, Setting, SettingScope
from provisioning.drivers.registry import DRIVERS
from provisioning.models import Account, ConfigStore, SipServer
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

    def lacking(self, setting: Setting) -> list[str]:
        """The stores whose servers cannot hold the setting, by name; none for client policies."""
        if setting.family is Family.CLIENT:
            return []
        return [
            store.name
            for store in self._stores
            if setting.key not in DRIVERS[store.driver].settings
        ]


def _stores_of(place: Place) -> QuerySet[ConfigStore]:
    rows = ConfigStore.objects.all()
    if isinstance(place.obj, SipServer):
        return rows.filter(pk=place.obj.store_id)
    if isinstance(place.obj, Account):
        return rows.filter(pool=place.obj.pool_id)
    return rows.filter(pool=place.pk) if place.scope is SettingScope.POOL else rows
