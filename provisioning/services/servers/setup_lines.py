"""What a setup guide is made of: sections of lines, with stand-ins for what it must not show."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provisioning.core.errors import ProvisioningError
from provisioning.models import ConfigStore
from provisioning.services.servers import targets

# Stand-ins for what the guide must not show or cannot know.
SECRET = "PUT-THE-CONTROL-SECRET-HERE"  # noqa: S105
DATABASE = "PUT-THE-DATABASE-URL-HERE"
UNKNOWN_CONSOLE = "PUT-THE-CONSOLE-ADDRESS-HERE"
# What Kamailio and OpenSIPS load for their database.
DATABASE_MODULES = {
    ConfigStore.Dialect.POSTGRESQL: "db_postgres.so",
    ConfigStore.Dialect.MYSQL: "db_mysql.so",
    ConfigStore.Dialect.SQLITE: "db_sqlite.so",
}


@dataclass(frozen=True, slots=True)
class Section:
    """Lines to copy: what they are for, the file they go into, the lines."""

    title: str
    why: str
    file: str
    lines: str


@dataclass(frozen=True, slots=True)
class Guide:
    """For which servers it is, its sections in order, and how what was put in place is loaded."""

    lead: str
    sections: Sequence[Section]
    load: str
    load_command: str


def filled(text: str, known: Mapping[str, str]) -> str:
    """`text` with each @NAME@ replaced."""
    for name, value in known.items():
        text = text.replace(f"@{name}@", value)
    return text


def console_address(endpoint: targets.Endpoint) -> str:
    """The address from which this machine reaches the server; finding out sends nothing."""
    try:
        address = targets.check_target(
            host=endpoint.host, port=endpoint.port, what="The control address"
        )[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, endpoint.port))
            return str(probe.getsockname()[0])
    except (ProvisioningError, OSError):
        return UNKNOWN_CONSOLE
