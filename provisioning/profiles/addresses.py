"""Addresses as client documents write them: checked, so that no value can leave its place."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address

from provisioning.core.errors import InvalidInput
from provisioning.core.records import Listener
from provisioning.core.sip import check_domain, check_user_part
from provisioning.core.text import require_line
from provisioning.profiles.base import ProfileAccount, ProfileSettings


@lru_cache(maxsize=256)
def host_port(listener: Listener) -> str:
    """`host:port`, an IPv6 address in brackets; raises InvalidInput when there is no such place."""
    if not 0 < listener.port < 65536:
        raise InvalidInput(f"{listener.port} is not a port; use 1 to 65535.")
    try:
        host = f"[{IPv6Address(listener.host.strip('[]'))}]"
    except ValueError:
        host = check_domain(listener.host)
    return f"{host}:{listener.port}"


def preferred(settings: ProfileSettings) -> Listener:
    """The listener that clients use; raises InvalidInput when the profile has none."""
    if not settings.listeners:
        raise InvalidInput(
            f"The servers behind the profile “{settings.name}” have no address for clients; "
            "give their pool a SIP host and port."
        )
    return settings.listeners[0]


def aor(account: ProfileAccount) -> str:
    """`user@domain`; raises InvalidInput when one of them cannot stand in a SIP URI."""
    return f"{check_user_part(account.user)}@{check_domain(account.domain)}"


def name_addr(account: ProfileAccount, parameters: str = "") -> str:
    """The account as a `name-addr` with a quoted display name (RFC 3261 section 25.1).

    `parameters` are URI parameters behind a semicolon. Raises InvalidInput on line breaks.
    """
    uri = f"<sip:{aor(account)}{parameters}>"
    name = require_line(account.display_name, "The display name").strip()
    if not name:
        return uri
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" {uri}'
