"""What the administrator of an Asterisk puts in place for the console to work with it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings

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

_SORCERY = """\
[res_pjsip]
endpoint/cache = memory_cache,object_lifetime_stale=600,object_lifetime_maximum=3600,expire_on_reload=yes
endpoint = realtime,ps_endpoints
; Your own endpoints, such as trunks, stay in pjsip.conf.
endpoint = config,pjsip.conf,criteria=type=endpoint
auth/cache = memory_cache,object_lifetime_stale=600,object_lifetime_maximum=3600,expire_on_reload=yes
auth = realtime,ps_auths
auth = config,pjsip.conf,criteria=type=auth
aor/cache = memory_cache,object_lifetime_stale=600,object_lifetime_maximum=3600,expire_on_reload=yes
aor = realtime,ps_aors
aor = config,pjsip.conf,criteria=type=aor
"""  # noqa: E501 - a setting has no line breaks
_CONTACTS = """\
; Written to the database, so that the console sees who is registered.
contact = realtime,ps_contacts
"""

_EXTCONFIG = """\
[settings]
ps_endpoints => pgsql,@NAME@
ps_auths => pgsql,@NAME@
ps_aors => pgsql,@NAME@
ps_contacts => pgsql,@NAME@
extensions => pgsql,@NAME@
"""

_CURL = """\
[settings]
; The secret stands for a password: what is neither letter nor digit there is written like %2F.
ps_endpoints => curl,@ASK@/ps_endpoints
ps_auths => curl,@ASK@/ps_auths
ps_aors => curl,@ASK@/ps_aors
extensions => curl,@ASK@/extensions
"""

_PGSQL = """\
[general]
dbhost = @HOST@
dbport = @DATABASE_PORT@
dbname = @NAME@
dbuser = @ROLE@
dbpass = @PASSWORD@
requirements = warn
"""

_DIALPLAN = """\
; A context for each SIP domain. Numbers come from the console's table and lead to an account; the
; lines in [rtcadmin-users] say how an account rings: add voicemail and what else you have there.
@CONTEXTS@
[rtcadmin-users]
exten => _[a-z0-9+*]!,1,Set(to=${EXTEN}@${CONTEXT})
 same => n,GotoIf($["${MESSAGE(from)}" != ""]?message)
 same => n,Dial(PJSIP/${to},30)
 same => n,Hangup()
 same => n(message),MessageSend(pjsip:${to}/${to},${MESSAGE(from)})
"""
_CONTEXT = """\
[@DOMAIN@]
switch => Realtime
include => rtcadmin-users

"""

_SQL = """\
-- What a new account gets: the console leaves these columns to you.
ALTER TABLE ps_aors ALTER max_contacts SET DEFAULT 5;
ALTER TABLE ps_endpoints ALTER disallow SET DEFAULT 'all';
ALTER TABLE ps_endpoints ALTER allow SET DEFAULT 'opus,g722,alaw,ulaw';

GRANT SELECT, INSERT, UPDATE, DELETE ON ps_endpoints, ps_auths, ps_aors, extensions TO "@USER@";
GRANT SELECT, DELETE ON ps_contacts TO "@USER@";
GRANT USAGE ON SEQUENCE extensions_id_seq TO "@USER@";
"""


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
            "Read accounts from the database",
            "With a cache: without one, an Asterisk asks its database about ten questions for "
            "each REGISTER. The console lets it forget what changed.",
            "sorcery.conf",
            filled(_SORCERY if store.served else _SORCERY + _CONTACTS, known),
        ),
        *(_asking(known) if store.served else _reading(known)),
        Section(
            "Ring accounts and numbers",
            "The context of an account is its SIP domain.",
            "extensions.conf",
            filled(_DIALPLAN, known),
        ),
        Section(
            "Defaults of new accounts, and the console's rights",
            "Choose contacts and codecs to your liking. While the store is only observed, SELECT "
            "on the five tables is enough.",
            "psql",
            filled(_SQL, known),
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
            "res_sorcery_realtime, res_sorcery_memory_cache, pbx_realtime, res_ari_asterisk and "
            "func_pjsip_aor must be loaded.",
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
            "res_sorcery_realtime, res_sorcery_memory_cache, pbx_realtime, res_ari_asterisk and "
            "func_pjsip_aor must be loaded. The console's certificate must be one that the machine "
            "trusts.",
            "extconfig.conf",
            filled(_CURL, known),
        )
    ]
