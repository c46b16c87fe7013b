"""What the administrator of an Asterisk puts in place for the console to work with it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings

from provisioning.drivers.asterisk import setup
from provisioning.drivers.asterisk.ami import USER
from provisioning.models import SipDomain, SipServer
from provisioning.services.servers import targets
from provisioning.services.servers.setup_lines import (
    SECRET,
    Guide,
    Section,
    console_address,
    filled,
)

PASSWORD = "PUT-THE-DATABASE-PASSWORD-OF-ASTERISK-HERE"  # noqa: S105
ROLE = "PUT-THE-DATABASE-USER-OF-ASTERISK-HERE"
_EXAMPLE_DOMAIN = "voice.example.com"

_HTTP = """\
[general]
enabled = yes
@LISTEN@@PREFIX@"""
_PLAIN = """\
; On a network that only the console reaches.
bindaddr = 0.0.0.0
bindport = @PORT@
"""
_TLS = """\
; Without TLS it listens for this machine alone.
bindaddr = 127.0.0.1
tlsenable = yes
tlsbindaddr = 0.0.0.0:@PORT@
tlscertfile = /etc/asterisk/keys/server.pem
tlsprivatekey = /etc/asterisk/keys/server.key
"""

_MANAGER = """\
[general]
enabled = yes
webenabled = yes
; The console comes over HTTP; its own port is for this machine alone.
bindaddr = 127.0.0.1

[@CONTROL_USER@]
secret = @SECRET@
deny = 0.0.0.0/0.0.0.0
deny = ::/0
permit = @CONSOLE@
read = system,reporting
write = system,reporting
"""

_ARI = """\
[general]
enabled = yes

[@CONTROL_USER@]
type = user
password_format = plain
password = @SECRET@
"""

_CONTACTS = """\
; Written to the database, so that the console sees who is registered.
contact = realtime,ps_contacts
"""

_EXTCONFIG = """\
[settings]
ps_endpoints => pgsql,@NAME@
ps_auths => pgsql,@NAME@
ps_aors => pgsql,@NAME@,rtcadmin_aors
ps_contacts => pgsql,@NAME@
extensions => pgsql,@NAME@
rtcadmin_numbers => pgsql,@NAME@
rtcadmin_callers => pgsql,@NAME@
rtcadmin_settings => pgsql,@NAME@
rtcadmin_preferences => pgsql,@NAME@
rtcadmin_pjsip.conf => pgsql,@NAME@,rtcadmin_config
rtcadmin_extensions.conf => pgsql,@NAME@,rtcadmin_config
"""

_CURL = """\
[settings]
; The secret stands for a password: what is neither letter nor digit there is written like %2F.
ps_endpoints => curl,@ASK@/ps_endpoints
ps_auths => curl,@ASK@/ps_auths
ps_aors => curl,@ASK@/rtcadmin_aors/@READER@
extensions => curl,@ASK@/extensions
rtcadmin_numbers => curl,@ASK@/rtcadmin_numbers
rtcadmin_callers => curl,@ASK@/rtcadmin_callers
rtcadmin_settings => curl,@ASK@/rtcadmin_settings
rtcadmin_preferences => curl,@ASK@/rtcadmin_preferences
rtcadmin_pjsip.conf => curl,@ASK@/rtcadmin_config
rtcadmin_extensions.conf => curl,@ASK@/rtcadmin_config
"""

_PGSQL = """\
[general]
dbhost = @HOST@
dbport = @DATABASE_PORT@
dbname = @NAME@
dbuser = @ROLE@
dbpass = @PASSWORD@
; By this name the database knows which server's settings it reads.
dbappname = @READER@
requirements = warn
"""

_DIALPLAN = """\
; A context for each SIP domain.
@CONTEXTS@
; Gateways, routes and dial rules as the console keeps them.
#include "@DIALPLAN_FILE@"

"""
_CONTEXT = """\
[@DOMAIN@]
include => rtcadmin-users

"""

_SQL = """\
-- What a new account gets: the console leaves these columns to you.
ALTER TABLE ps_aors ALTER max_contacts SET DEFAULT 5;
ALTER TABLE ps_endpoints ALTER disallow SET DEFAULT 'all';
ALTER TABLE ps_endpoints ALTER allow SET DEFAULT 'opus,g722,alaw,ulaw';

-- While the store is only observed, SELECT is enough, here and below.
GRANT SELECT, INSERT, UPDATE, DELETE ON ps_endpoints, ps_auths, ps_aors, extensions TO "@USER@";
GRANT SELECT, DELETE ON ps_contacts TO "@USER@";
GRANT USAGE ON SEQUENCE extensions_id_seq TO "@USER@";

"""


# What the lines need beside what every Asterisk has.
_MODULES = (
    "res_sorcery_realtime, res_sorcery_memory_cache, pbx_realtime, res_ari_asterisk, "
    "res_pjsip_header_funcs, func_realtime, func_dialplan, func_hangupcause and func_pjsip_aor"
)


def asterisk_guide(server: SipServer) -> Guide:
    """What to put in place for this server, in order; secrets are stand-ins."""
    store = server.store
    endpoint = targets.parse_url(
        url=server.rpc_url, schemes=targets.HTTP, what="The control address"
    )
    scheme, _, console = settings.PUBLIC_URL.partition("://")
    prefix = urlsplit(server.rpc_url).path.strip("/")
    domains = list(SipDomain.objects.order_by("domain").values_list("domain", flat=True))
    known = {
        "LISTEN": _TLS if endpoint.scheme == "https" else _PLAIN,
        "PREFIX": f"prefix = {prefix}\n" if prefix else "",
        "PORT": str(endpoint.port),
        "CONSOLE": console_address(endpoint),
        "CONTROL_USER": USER,
        "SECRET": SECRET,
        "READER": f"rtcadmin-{server.pk}",
        "DIALPLAN_FILE": setup.DIALPLAN_FILE,
        "CONTACTS": "" if store.served else _CONTACTS,
        "ASK": f"{scheme}://{USER}:{SECRET}@{console}/served/{server.pk}",
        "NAME": store.database,
        "HOST": store.host,
        "DATABASE_PORT": str(store.port),
        "ROLE": ROLE,
        "PASSWORD": PASSWORD,
        "USER": (store.user or "rtcadmin").replace('"', '""'),
        "CONTEXTS": "".join(
            _CONTEXT.replace("@DOMAIN@", domain) for domain in domains or [_EXAMPLE_DOMAIN]
        ),
    }
    sections = [
        Section(
            "Defaults of new accounts, tables of the console, and its rights",
            "Run this first. Choose contacts and codecs to your liking. Gateways, routes and "
            "settings stand in tables of the console's own; views make of them what Asterisk "
            "reads.",
            "psql",
            filled(_SQL + setup.tables(read_by_servers=not store.served), known),
        ),
        Section(
            "Let Asterisk answer over HTTP",
            "The console speaks to the manager and the REST interface at the control address.",
            "http.conf",
            filled(_HTTP, known),
        ),
        Section(
            "Let the console in",
            "It asks for health and contacts, and lets the server forget what it cached of an "
            "account: only from its own address, only with the secret.",
            "manager.conf",
            filled(_MANAGER, known),
        ),
        Section(
            "Let it end registrations",
            "The REST interface takes the same user and secret. Whoever has them could read "
            "digests, so keep the file to yourself.",
            "ari.conf",
            filled(_ARI, known),
        ),
        Section(
            "Read accounts, gateways, trunks and trusted hosts",
            "Accounts with a cache: without one, an Asterisk asks about ten questions for each "
            "REGISTER. The console lets it forget what changed. In pjsip.conf, "
            "endpoint_identifier_order begins with ip, as it does unless you changed it.",
            "sorcery.conf",
            filled(setup.sorcery(), known),
        ),
        *(_asking(known) if store.served else _reading(known)),
        Section(
            "Ring accounts and numbers, and route calls",
            "The context of an account is its SIP domain. Without gateways here, numbers that are "
            "nobody's are answered 404.",
            "extensions.conf",
            filled(_DIALPLAN, known) + setup.dialplan(),
        ),
    ]
    return Guide(
        "For Asterisk 22.3 and later. Lines that your configuration has already stay once.",
        sections,
        "once, since these modules read their configuration at the start only.",
        "systemctl restart asterisk",
    )


def _reading(known: Mapping[str, str]) -> list[Section]:
    """For a server that reads the database itself."""
    return [
        Section(
            "Which tables",
            "Those of Asterisk's own alembic scripts (contrib/ast-db-manage), up to date.",
            "extconfig.conf",
            filled(_EXTCONFIG, known),
        ),
        Section(
            "Where the database is",
            "Asterisk signs in with a role of its own. The modules res_config_pgsql, "
            f"{_MODULES} must be loaded.",
            "res_pgsql.conf",
            filled(_PGSQL, known),
        ),
    ]


def _asking(known: Mapping[str, str]) -> list[Section]:
    """For a server that asks the console."""
    return [
        Section(
            "Ask the console",
            "Keep the file to Asterisk alone. The modules res_curl, func_curl, res_config_curl, "
            f"{_MODULES} must be loaded. The console's certificate must be one that the machine "
            "trusts.",
            "extconfig.conf",
            filled(_CURL, known),
        )
    ]
