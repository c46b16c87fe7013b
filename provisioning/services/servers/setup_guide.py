"""What the administrator of a SIP server puts in place for the console to work with it."""

from __future__ import annotations

from collections.abc import Callable

from provisioning.models import SipServer
from provisioning.services.servers.setup_asterisk import asterisk_guide
from provisioning.services.servers.setup_freeswitch import freeswitch_guide
from provisioning.services.servers.setup_kamailio import kamailio_guide
from provisioning.services.servers.setup_lines import Guide
from provisioning.services.servers.setup_opensips import opensips_guide

_GUIDES: dict[str, Callable[[SipServer], Guide]] = {
    "kamailio": kamailio_guide,
    "asterisk": asterisk_guide,
    "opensips": opensips_guide,
    "freeswitch": freeswitch_guide,
}


def setup_guide(*, server: SipServer) -> Guide:
    """What to put in place for this server; secrets are stand-ins."""
    return _GUIDES[server.store.driver](server)
