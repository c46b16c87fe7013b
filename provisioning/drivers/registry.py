"""Every driver by the name that stores and servers refer to it with."""

from __future__ import annotations

from types import MappingProxyType

from provisioning.drivers.asterisk.own_tables import HELD_SETTINGS
from provisioning.drivers.asterisk.server import AsteriskServer
from provisioning.drivers.asterisk.store import AsteriskStore
from provisioning.drivers.base import Driver
from provisioning.drivers.freeswitch import event_socket
from provisioning.drivers.freeswitch.server import FreeSwitchServer
from provisioning.drivers.freeswitch.store import FreeSwitchStore
from provisioning.drivers.kamailio.server import KamailioServer
from provisioning.drivers.kamailio.settings_lines import ACCOUNT_KEYS, SERVER_KEYS
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.drivers.opensips.server import OpenSipsServer
from provisioning.drivers.opensips.store import OpenSipsStore

DRIVERS: dict[str, Driver] = {
    "kamailio": Driver(
        name="kamailio",
        label="Kamailio",
        store=KamailioStore,
        server=KamailioServer,
        dialects=("postgresql", "mysql", "sqlite"),
        digests=("MD5", "SHA-256"),
        settings=frozenset({*SERVER_KEYS, *ACCOUNT_KEYS}),
    ),
    "asterisk": Driver(
        name="asterisk",
        label="Asterisk",
        store=AsteriskStore,
        server=AsteriskServer,
        dialects=("postgresql",),
        digests=("MD5", "SHA-256", "MD5+SHA-256"),
        serving=AsteriskStore,
        settings=HELD_SETTINGS,
    ),
    "opensips": Driver(
        name="opensips",
        label="OpenSIPS",
        store=OpenSipsStore,
        server=OpenSipsServer,
        dialects=("postgresql", "mysql", "sqlite"),
        digests=("MD5", "SHA-256", "SHA-512-256", "MD5+SHA-256"),
    ),
    "freeswitch": Driver(
        name="freeswitch",
        label="FreeSWITCH",
        store=FreeSwitchStore,
        server=FreeSwitchServer,
        dialects=("postgresql", "sqlite"),
        digests=("MD5", "SHA-256", "SHA-512-256"),
        serving=FreeSwitchStore,
        schemes=MappingProxyType({event_socket.SCHEME: event_socket.PORT}),
        only_asks=True,
    ),
}
