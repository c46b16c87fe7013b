"""What the administrator of a FreeSWITCH puts in place for the console to work with it."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from provisioning.core.records import Dialect
from provisioning.drivers.freeswitch.directory import PATH
from provisioning.drivers.freeswitch.tables import TABLES, schema
from provisioning.models import SipServer
from provisioning.services.servers import driver_access
from provisioning.services.servers.setup_lines import (
    SECRET,
    Guide,
    Section,
    console_address,
    filled,
)

_EVENT_SOCKET = """\
<configuration name="event_socket.conf">
  <settings>
    <param name="listen-ip" value="@LISTEN@"/>
    <param name="listen-port" value="@PORT@"/>
    <param name="password" value="@SECRET@"/>
    <param name="apply-inbound-acl" value="rtcadmin"/>
  </settings>
</configuration>
"""

_ACL = """\
<list name="rtcadmin" default="deny">
  <node type="allow" cidr="@CONSOLE@"/>
</list>
"""

_XML_CURL = """\
<configuration name="xml_curl.conf">
  <bindings>
    <binding name="rtcadmin">
      <param name="gateway-url" value="@ASK@" bindings="directory"/>
      <param name="gateway-credentials" value="@USER@:@SECRET@"/>
      <param name="auth-scheme" value="basic"/>
      <param name="timeout" value="3"/>
@TLS@@ONLY@    </binding>
    <!-- A second web process of this console, on another machine: the same lines once more, with
         its address. It is asked when the first one fails, and when the first one knows nobody. -->
  </bindings>
</configuration>
"""
_CHECKED = """\
      <!-- Without these two FreeSWITCH takes any certificate. -->
      <param name="enable-cacert-check" value="true"/>
      <param name="enable-ssl-verifyhost" value="true"/>
"""
# What the console looks at: the rest of a question, such as the client's answer to the challenge,
# stays where it is.
_POSTED = (
    "action", "purpose", "key", "user", "domain", "sip_auth_method", "sip_to_user", "sip_to_host",
)  # fmt: skip

_PROFILE = """\
<param name="auth-calls" value="true"/>
<param name="enable-3pcc" value="proxy"/>
<param name="accept-blind-reg" value="false"/>
<param name="accept-blind-auth" value="false"/>
<param name="challenge-realm" value="auto_from"/>
<param name="inbound-reg-force-matching-username" value="true"/>
<param name="rfc8760-auth-algorithms" value="@ALGORITHM@"/>
<param name="context" value="rtcadmin"/>
"""

_DIALPLAN = """\
<context name="rtcadmin">
  <extension name="accounts and numbers">
    <condition field="${user_exists(id ${destination_number} ${domain_name})}" expression="^true$">
      <action application="set" data="hangup_after_bridge=true"/>
      <action application="set" data="call_timeout=30"/>
      <action application="bridge" data="user/${destination_number}@${domain_name}"/>
    </condition>
  </extension>
</context>
"""

_GRANTS = """\
GRANT SELECT, INSERT, UPDATE, DELETE ON @TABLES@ TO "@ROLE@";
GRANT USAGE ON SEQUENCE @SEQUENCES@ TO "@ROLE@";
"""


def freeswitch_guide(server: SipServer) -> Guide:
    """What to put in place for this server, in order; secrets are stand-ins."""
    store = server.store
    endpoint = driver_access.control_endpoint(driver=store.driver, url=server.rpc_url)
    known = {
        "LISTEN": endpoint.host if endpoint.host.startswith("127.") else "0.0.0.0",  # noqa: S104
        "PORT": str(endpoint.port),
        "CONSOLE": _network(console_address(endpoint)),
        "SECRET": SECRET,
        "USER": "rtcadmin",
        "ASK": f"{settings.PUBLIC_URL}/served/{server.pk}/{PATH}",
        "TLS": _CHECKED if settings.PUBLIC_URL.startswith("https://") else "",
        "ONLY": "".join(
            f'      <param name="enable-post-var" value="{name}"/>\n' for name in _POSTED
        ),
        "ALGORITHM": store.main_algorithm,
    }
    sections = [
        Section(
            "Make the console's tables",
            "Once for each store, in its database: FreeSWITCH itself never reads them.",
            "psql" if store.dialect == "postgresql" else f"sqlite3 {store.database}",
            _tables(store.dialect, store.user or "rtcadmin"),  # type: ignore[arg-type]
        ),
        Section(
            "Let the console in",
            "It asks for health and registrations, and ends registrations. The event socket does "
            "no TLS and can do everything, so it belongs on a network that only the console "
            "reaches. Letters and digits make a password that needs no quoting here.",
            "autoload_configs/event_socket.conf.xml",
            filled(_EVENT_SOCKET, known),
        ),
        Section(
            "From its own address alone",
            "One more list among the network-lists.",
            "autoload_configs/acl.conf.xml",
            filled(_ACL, known),
        ),
        Section(
            "Ask the console for accounts",
            "With the same secret. Without a timeout a console that is silent would stop the SIP "
            "profile. Keep the file to FreeSWITCH alone.",
            "autoload_configs/xml_curl.conf.xml",
            filled(_XML_CURL, known),
        ),
        Section(
            "Let accounts of every SIP domain sign in",
            "In the SIP profile that clients register at. force-register-domain must not be there: "
            "it makes one domain of all. With enable-3pcc calls are taken that come without an "
            "offer, such as those of probes.",
            "sip_profiles/internal.xml",
            filled(_PROFILE, known),
        ),
        Section(
            "Ring accounts and numbers",
            "The console knows whose a number is; the lines say how an account rings: add "
            "voicemail and what else you have there.",
            "dialplan/rtcadmin.xml",
            _DIALPLAN,
        ),
        Section(
            "Take the example accounts away",
            "Whom the console does not know, FreeSWITCH looks for in its own files, and it comes "
            "with 1000 to 1019 and one password for all of them.",
            "the shell of the server",
            "rm -r /etc/freeswitch/directory/default\n",
        ),
    ]
    return Guide(
        "For FreeSWITCH 1.10 and later. Lines that your configuration has already stay once. The "
        "modules mod_xml_curl and mod_event_socket must be loaded (autoload_configs/"
        "modules.conf.xml), mod_xml_curl before mod_sofia.",
        sections,
        "once, since these modules read their configuration when they start.",
        "systemctl restart freeswitch",
    )


def _tables(dialect: Dialect, role: str) -> str:
    if dialect != "postgresql":
        return schema(dialect)
    known: Mapping[str, str] = {
        "TABLES": ", ".join(table.name for table in TABLES),
        "SEQUENCES": ", ".join(f"{table.name}_id_seq" for table in TABLES),
        "ROLE": role.replace('"', '""'),
    }
    return schema(dialect) + filled(_GRANTS, known)


def _network(address: str) -> str:
    """One address as a network, as access lists are written."""
    if ":" in address:
        return f"{address}/128"
    return f"{address}/32" if address[:1].isdigit() else address
